import ArtifactKit
import Glibc
import Testing

@Suite struct HostileTarballTests {
    struct Attack: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let write: @Sendable (inout RawTar) -> Void

        init(_ name: String, _ write: @escaping @Sendable (inout RawTar) -> Void) {
            testDescription = name
            self.write = write
        }
    }

    static let attacks = [
        Attack("an absolute path") { $0.add("/tmp/artifactkit-canary", "x") },
        Attack("a climbing path") { $0.add("../canary", "x") },
        Attack("a path that climbs later") { $0.add("a/../../canary", "x") },
        Attack("a path of a dot") { $0.add("./a", "x") },
        Attack("an empty path") { $0.add("", "x") },
        Attack("a climbing path in a pax header") {
            $0.addPax("path", "../canary")
            $0.add("a", "x")
        },
        Attack("a climbing path in a GNU header") {
            $0.addLongName("../canary")
            $0.add("a", "x")
        },
        Attack("a component of 300 bytes") {
            $0.addLongName(String(repeating: "n", count: 300))
            $0.add("a", "x")
        },
        Attack("an absolute link") { $0.add("a", type: "2", mode: 0o777, link: "/etc") },
        Attack("a climbing link") { $0.add("a", type: "2", mode: 0o777, link: "..") },
        Attack("a link and a file through it") {
            $0.add("a", type: "2", mode: 0o777, link: "b")
            $0.add("a/canary", "x")
        },
        Attack("a link out and a file through it") {
            $0.add("a", type: "2", mode: 0o777, link: "..")
            $0.add("a/canary", "x")
        },
        Attack("a folder that becomes a link") {
            $0.add("a/", type: "5", mode: 0o755)
            $0.add("a", type: "2", mode: 0o777, link: "b")
        },
        Attack("a hard link") {
            $0.add("a", "x")
            $0.add("b", type: "1", link: "a")
        },
        Attack("a hard link to a file outside") { $0.add("b", type: "1", link: "../outside") },
        Attack("a character device") { $0.add("a", type: "3", device: 1) },
        Attack("a block device") { $0.add("a", type: "4", device: 8) },
        Attack("a pipe") { $0.add("a", type: "6") },
        Attack("a set-user-id file") { $0.add("a", mode: 0o4755, "x") },
        Attack("a set-group-id folder") { $0.add("a/", type: "5", mode: 0o2755) },
        Attack("a sticky folder") { $0.add("a/", type: "5", mode: 0o1755) },
        Attack("a file that all may write") { $0.add("a", mode: 0o666, "x") },
        Attack("the same file twice") {
            $0.add("a", "x")
            $0.add("a", "y")
        },
        Attack("the wrong order") {
            $0.add("b", "x")
            $0.add("a", "x")
        },
        Attack("a file without its folder") { $0.add("a/b", "x") },
        Attack("extended attributes") {
            $0.addPax("SCHILY.xattr.security.capability", "x")
            $0.add("a", "x")
        },
        Attack("a file with holes") {
            $0.addPax("GNU.sparse.size", "100000")
            $0.addPax("GNU.sparse.map", "0,1")
            $0.add("a", "x")
        },
        Attack("a negative size") {
            $0.addPax("size", "-1")
            $0.add("a", "x")
        },
    ]

    @Test(arguments: attacks)
    func `a hostile tarball is refused and touches nothing`(attack: Attack) throws {
        let scratch = try Scratch()
        try scratch.write("outside", "canary")
        var tar = RawTar()
        attack.write(&tar)
        let digest = try tar.save(at: scratch.path("t"))
        #expect(throws: ArtifactError.self) { try TarballReader.list(at: scratch.path("t")) }
        let x = Digest.of(bytes("x"))
        let manifests = try [
            Manifest(entries: []),
            Manifest(entries: [.file(bytes("a"), executable: false, size: 1, digest: x)]),
            Manifest(entries: [.file(bytes("a"), executable: true, size: 1, digest: x)]),
            Manifest(entries: [.directory(bytes("a")), .file(bytes("a/b"), executable: false, size: 0, digest: x)]),
            Manifest(entries: [.link(bytes("a"), target: bytes("b"))]),
            Manifest(entries: [
                .file(bytes("a"), executable: false, size: 1, digest: x),
                .file(bytes("b"), executable: false, size: 0, digest: Digest.of([])),
            ]),
        ]
        for (index, manifest) in manifests.enumerated() {
            let target = try scratch.folder("target\(index)")
            do {
                try ArtifactKitTests.extract(at: scratch.path("t"), manifest: manifest, digest: digest, into: target)
                // Without a file nothing of the tarball is asked for.
                #expect(manifest.entries.allSatisfy { $0.kind != .file })
            } catch is ArtifactError {}
            for (name, kind) in try target.entries() {
                #expect(manifest[name] != nil, "\(visible(name)) was made")
                #expect(kind != .other)
            }
        }
        let names = try scratch.directory.entries().map { visible($0.name) }
        #expect(names == ["outside", "t"] + manifests.indices.map { "target\($0)" }.sorted())
        #expect(try scratch.directory.readFile(bytes("outside"), limit: 10) == bytes("canary"))
        #expect(try scratch.directory.metadata(bytes("outside"))?.links == 1)
        #expect(access("/tmp/artifactkit-canary", F_OK) != 0)
    }

    @Test func `strange names that are legal are kept`() throws {
        let scratch = try Scratch()
        var tar = RawTar()
        tar.add("new\nline \u{1b}[2J", "x")
        tar.add(name: [0xff, 0x80, 0x5c], type: "0", mode: 0o644, link: [], body: bytes("x"))
        let digest = try tar.save(at: scratch.path("t"))
        let manifest = try TarballReader.list(at: scratch.path("t"))
        #expect(manifest.entries.map(\.path) == [bytes("new\nline \u{1b}[2J"), [0xff, 0x80, 0x5c]])
        let target = try scratch.folder("target")
        try ArtifactKitTests.extract(at: scratch.path("t"), manifest: manifest, digest: digest, into: target)
        #expect(try listing(of: target) == manifest)
    }

    @Test func `what the manifest and the tarball do not agree on is refused`() throws {
        let scratch = try Scratch()
        let source = try scratch.folder("source")
        try makeSample(in: source)
        let summary = try pack(source, to: scratch.path("t"))
        var count = 0
        func extract(_ entries: [ManifestEntry], _ digest: Digest) throws -> ArtifactError.Code? {
            count += 1
            let (manifest, target) = (try Manifest(entries: entries), try scratch.folder("\(count)"))
            return code {
                try ArtifactKitTests.extract(at: scratch.path("t"), manifest: manifest, digest: digest, into: target)
            }
        }
        let entries = summary.manifest.entries
        #expect(try extract(entries, summary.digest) == nil)
        #expect(try extract(entries, summary.manifest.digest) == .differs)
        #expect(try extract(entries.dropLast(), summary.digest) == .differs)
        #expect(try extract(entries + [.directory([0xff, 0xff])], summary.digest) == .differs)
        for index in entries.indices where entries[index].kind != .directory {
            var others = entries
            let entry = entries[index]
            let executable = entry.mode == 0o755
            others[index] = .file(entry.path, executable: executable, size: entry.size, digest: Digest.of([9]))
            #expect(try extract(others, summary.digest) == .differs)
            let digest = entry.digest ?? Digest.of([])
            others[index] = .file(entry.path, executable: !executable, size: entry.size, digest: digest)
            #expect(try extract(others, summary.digest) == .differs)
            others[index] = .link(entry.path, target: bytes("elsewhere"))
            #expect(try extract(others, summary.digest) == .differs)
        }
    }

    @Test func `what is no tarball is refused`() throws {
        let scratch = try Scratch()
        try scratch.write("text", "hello")
        try scratch.write("empty", "")
        var tar = RawTar()
        tar.add("a", "x")
        try scratch.directory.writeAtomically(
            bytes("plain"), tar.content + [UInt8](repeating: 0, count: 1024), sync: false)
        mkfifo(scratch.path("pipe"), 0o600)
        for name in ["text", "empty", "plain", "pipe", "none", ""] {
            #expect(throws: ArtifactError.self) { try TarballReader.list(at: scratch.path(name)) }
        }
    }
}
