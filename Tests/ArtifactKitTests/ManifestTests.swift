import ArtifactKit
import Foundation
import Testing

@Suite struct ManifestTests {
    static let digest = Digest.of(bytes("abc"))

    private func decode(_ lines: String...) throws -> Manifest {
        try JSONDecoder().decode(Manifest.self, from: JSONEncoder().encode(lines))
    }

    @Test func `the lines can be read by people`() throws {
        let manifest = try Manifest(entries: [
            .file(bytes("100%\n"), executable: false, size: 0, digest: Self.digest),
            .directory(bytes("bin")),
            .file(bytes("bin/grüße dich"), executable: true, size: 3, digest: Self.digest),
            .link(bytes("x -> y"), target: [0xff]),
        ])
        let json = try JSONEncoder().encode(manifest)
        #expect(
            try JSONDecoder().decode([String].self, from: json) == [
                "f 644 0 \(Self.digest) 100%25%0A", "d 755 bin", "f 755 3 \(Self.digest) bin/grüße dich",
                "l x -%3E y -> %FF",
            ])
        #expect(try JSONDecoder().decode(Manifest.self, from: json) == manifest)
    }

    @Test func `any bytes survive`() throws {
        for _ in 0..<300 {
            var paths: Set<[UInt8]> = []
            while paths.count < 20 {
                let path = (0..<Int.random(in: 1..<12)).map { _ in UInt8.random(in: 1...255) }
                if code({ try PathRules.check(path) }) == nil { paths.insert(path) }
            }
            let entries = paths.sorted { $0.lexicographicallyPrecedes($1) }.map { path in
                Bool.random()
                    ? ManifestEntry.file(path, executable: .random(), size: .random(in: 0...9999), digest: Self.digest)
                    : ManifestEntry.link(path, target: Array(path.filter { $0 != UInt8(ascii: "/") }) + [1])
            }
            guard let manifest = try? Manifest(entries: entries) else { continue }  // one path was below another
            let back = try JSONDecoder().decode(Manifest.self, from: JSONEncoder().encode(manifest))
            #expect(back == manifest)
            #expect(back.digest == manifest.digest)
        }
    }

    @Test(arguments: [
        "", "f", "x 644 0 path", "d 755 ", "d 755", "d 0755 a", "d 700 a", "d 755 /a", "d 755 a/", "d 755 a/../b",
        "d 755 ..", "d 755 a//b", "d 755 a%00b", "d 755 a%2fb", "d 755 a%41", "d 755 a%4", "d 755 a%", "d 755 a>b",
        "d 755 a\nb", "f 644 0 \(digest) ../a", "f 644 -1 \(digest) a", "f 644 01 \(digest) a", "f 4755 1 \(digest) a",
        "f 666 1 \(digest) a", "f 644 1 abc a", "f 644 1 - a", "f 644 99999999999999999999 \(digest) a",
        "l a", "l a -> ", "l  -> a", "l a -> /etc", "l a -> ..", "l a -> b -> c", "l a ->b", "L a -> b",
        "d 755 \u{202e}a", "f 644 +1 \(digest) a", "f 644 1  \(digest) a",
    ])
    func `a line of another form is refused`(line: String) {
        #expect(throws: (any Error).self) { try decode(line) }
    }

    @Test func `order, uniqueness and folders are checked`() throws {
        _ = try decode("d 755 a", "f 644 1 \(Self.digest) a.txt", "f 644 1 \(Self.digest) a/b")
        #expect(throws: (any Error).self) { try decode("d 755 b", "d 755 a") }
        #expect(throws: (any Error).self) { try decode("d 755 a", "d 755 a") }
        #expect(throws: (any Error).self) { try decode("l a -> b", "f 644 1 \(Self.digest) a/b") }
        #expect(throws: (any Error).self) { try decode("l a -> b", "f 644 1 \(Self.digest) a-b", "d 755 a/b/c") }
        #expect(throws: (any Error).self) {
            try decode("f 644 \(Int64.max) \(Self.digest) a", "f 644 1 \(Self.digest) b")
        }
        #expect(throws: (any Error).self) { try JSONDecoder().decode(Manifest.self, from: Data("[1]".utf8)) }
        #expect(throws: (any Error).self) { try JSONDecoder().decode(Manifest.self, from: Data("{}".utf8)) }
    }

    @Test func `an entry is found by its path`() throws {
        let manifest = try decode("d 755 a", "d 755 a.b", "d 755 a/b", "d 755 c")
        for entry in manifest.entries { #expect(manifest[entry.path] == entry) }
        for name in ["", "a/", "b", "0", "d"] { #expect(manifest[bytes(name)] == nil) }
    }

    @Test func `differences are what was added, changed and removed`() throws {
        let old = try decode("d 755 a", "f 644 1 \(Self.digest) b", "f 644 1 \(Self.digest) c")
        let new = try decode("d 755 a", "f 755 1 \(Self.digest) b", "d 755 d")
        let differences = new.differences(from: old)
        #expect(differences.map(\.path) == [bytes("b"), bytes("c"), bytes("d")])
        guard case .changed(let before, let after) = differences[0], case .removed = differences[1],
            case .added = differences[2]
        else { return #expect(Bool(false), "\(differences)") }
        #expect((before.mode, after.mode) == (0o644, 0o755))
        #expect(new.differences(from: new).isEmpty)
    }

    @Test func `the digest is of everything that is said`() throws {
        let lines = [
            "d 755 a", "l a -> b", "l a -> c", "f 644 0 \(Self.digest) a", "f 755 0 \(Self.digest) a",
            "f 644 1 \(Self.digest) a", "f 644 0 \(Digest.of([])) a", "d 755 b",
        ]
        let digests = try Set(lines.map { try decode($0).digest } + [decode().digest])
        #expect(digests.count == lines.count + 1)
        #expect(try decode("d 755 a").digest == decode("d 755 a").digest)
    }
}
