import ArtifactKit
import Glibc
import Testing

@Suite struct TarballTests {
    @Test func `what was packed is what is listed and unpacked`() throws {
        let scratch = try Scratch()
        let source = try scratch.folder("source")
        try makeSample(in: source)
        let summary = try pack(source, to: scratch.path("t"))
        #expect(try summary.manifest == listing(of: source))
        #expect(try TarballReader.list(at: scratch.path("t")) == summary.manifest)
        let (digest, size) = try Digest.ofFile(at: scratch.path("t"))
        #expect(digest == summary.digest)
        #expect(size == summary.size)
        let target = try scratch.folder("target")
        try ArtifactKitTests.extract(
            at: scratch.path("t"), manifest: summary.manifest, frames: summary.frames, digest: summary.digest,
            into: target)
        #expect(try listing(of: target) == summary.manifest)
        #expect(try scratch.directory.metadata(bytes("t"))?.mode == 0o600)
    }

    @Test func `the same input gives the same bytes`() throws {
        let scratch = try Scratch()
        let (one, two) = (try scratch.folder("one"), try scratch.folder("two"))
        try makeSample(in: one)
        let path = scratch.path
        try withUmask(0o077) {
            let (one, two) = (try Directory(path: path + "/one"), try Directory(path: path + "/two"))
            // The other way round, so that readdir has another order; times differ by themselves.
            for entry in try listing(of: one).entries.reversed() {
                if let slash = entry.path.lastIndex(of: UInt8(ascii: "/")) {
                    try two.makeDirectories(Array(entry.path[..<slash]))
                }
                switch entry.kind {
                case .directory: try two.makeDirectories(entry.path)
                case .link: try two.createLink(entry.path, target: entry.link)
                case .file:
                    let file = try two.createFile(entry.path, mode: entry.mode)
                    try file.write(one.readFile(entry.path, limit: 1 << 20))
                    try file.close()
                }
            }
        }
        let (first, second) = (try pack(one, to: scratch.path("1")), try pack(two, to: scratch.path("2")))
        #expect(first == second)
    }

    @Test func `the bytes do not depend on the pieces the content came in`() throws {
        let scratch = try Scratch()
        let content = (0..<700_000).map { UInt8(truncatingIfNeeded: $0 / 3 ^ $0 >> 7) }
        let digests = try [1_000_000, 4096, 1013].map { piece in
            let writer = try TarballWriter(at: scratch.path("\(piece)"), listingIn: nil)
            try writer.addFile(bytes("f"), executable: false, size: Int64(content.count)) { sink in
                for start in stride(from: 0, to: content.count, by: piece) {
                    try content[start..<min(start + piece, content.count)].withUnsafeBytes { try sink($0) }
                }
            }
            return try writer.finish().digest
        }
        #expect(Set(digests).count == 1)
    }

    @Test(.enabled(if: isInstalled("zstd") && isInstalled("tar"), "needs the programs tar and zstd"))
    func `plain tar reads it`() throws {
        let scratch = try Scratch()
        let source = try scratch.folder("source")
        try makeSample(in: source)
        let summary = try pack(source, to: scratch.path("t"))
        let target = try scratch.folder("target")
        let result = try run("tar", "--zstd", "-xpf", scratch.path("t"), "-C", scratch.path("target"))
        #expect(result.status == 0)
        #expect(result.message == "")
        #expect(try listing(of: target) == summary.manifest)
    }

    @Test(.enabled(if: isInstalled("zstd"), "needs the program zstd"))
    func `the tar inside never changes with the machine, the day or the place`() throws {
        let scratch = try Scratch()
        let writer = try TarballWriter(at: scratch.path("t.zst"), listingIn: nil)
        try writer.addDirectory(bytes("bin"))
        try writer.addFile(bytes("bin/run"), executable: true, size: 3) { sink in
            try bytes("abc").withUnsafeBytes { try sink($0) }
        }
        try writer.addLink(bytes("current"), target: bytes("bin/run"))
        try writer.addDirectory(bytes(String(repeating: "long", count: 40)))
        _ = try writer.finish()
        #expect(try run("zstd", "-dq", scratch.path("t.zst")).status == 0)
        let digest = try Digest.ofFile(at: scratch.path("t")).digest
        #expect(digest.description == "519e417bc6eff759a8c153f5af07b300eee39cb825ba8edab25f1883ea445ea5")
    }

    @Test func `a frame can be read without the others`() throws {
        let scratch = try Scratch()
        let summary = try pack(to: scratch.path("t")) { writer in
            for index in 0..<30 {
                let size = index == 20 ? 9 << 20 : 700_000
                try writer.addFile(bytes("f\(index + 10)"), executable: false, size: Int64(size)) { sink in
                    try [UInt8](repeating: UInt8(index), count: size).withUnsafeBytes { try sink($0) }
                }
            }
        }
        let manifest = try file(of: summary.manifest)
        #expect(summary.frames.count > 5)
        #expect(summary.frames.count == manifest.sections.count)
        var seen: [[UInt8]] = []
        for (section, frame) in zip(manifest.sections, summary.frames) {
            let entries = try manifest.entries(of: section)
            try TarballReader.read(frame, at: scratch.path("t"), entries: entries) { entry, content in
                var size = 0
                try content { size += $0.count }
                #expect(size == Int(entry.size))
                seen.append(entry.path)
            }
            #expect(throws: ArtifactError.self) {
                try TarballReader.read(frame, at: scratch.path("t"), entries: Array(entries.dropFirst())) { _, _ in }
            }
        }
        #expect(seen == summary.manifest.entries.map(\.path))
    }

    @Test func `a writer refuses what is out of order, unsafe or of another size`() throws {
        let scratch = try Scratch()
        var count = 0
        func refusal(_ body: (TarballWriter) throws -> Void) throws -> ArtifactError.Code? {
            count += 1
            let writer = try TarballWriter(at: scratch.path("\(count)"), listingIn: nil)
            let code = code { try body(writer) }
            #expect(ArtifactKitTests.code { _ = try writer.finish() } == .finished)
            return code
        }
        func file(_ writer: TarballWriter, _ path: String, size: Int64, _ content: String) throws {
            try writer.addFile(bytes(path), executable: false, size: size) { sink in
                try bytes(content).withUnsafeBytes { try sink($0) }
            }
        }
        #expect(try refusal { try file($0, "a", size: 2, "abc") } == .differs)
        #expect(try refusal { try file($0, "a", size: 4, "abc") } == .differs)
        #expect(try refusal { try $0.addDirectory(bytes("../a")) } == .unsafePath)
        #expect(try refusal { try $0.addLink(bytes("a"), target: bytes("../a")) } == .unsafeLink)
        #expect(try refusal { try $0.addDirectory(bytes("a/b")) } == .disorder)
        #expect(try refusal { try ["b", "a"].map(bytes).forEach($0.addDirectory) } == .disorder)
        #expect(try refusal { try ["a", "a"].map(bytes).forEach($0.addDirectory) } == .disorder)
        #expect(code { _ = try TarballWriter(at: scratch.path("1"), listingIn: nil) } == .exists)
    }

    @Test func `an empty tarball is one too`() throws {
        let scratch = try Scratch()
        let summary = try pack(to: scratch.path("t")) { _ in }
        #expect(summary.manifest.entries.isEmpty)
        try ArtifactKitTests.extract(
            at: scratch.path("t"), manifest: summary.manifest, frames: summary.frames, digest: summary.digest,
            into: scratch.folder("x"))
    }

    @Test func `a tarball may not have more than its limits`() throws {
        let scratch = try Scratch()
        let source = try scratch.folder("source")
        try makeSample(in: source)
        let manifest = try pack(source, to: scratch.path("t")).manifest
        func list(_ limits: TarballLimits) -> ArtifactError.Code? {
            code { _ = try TarballReader.list(at: scratch.path("t"), limits: limits) }
        }
        #expect(list(TarballLimits(entries: manifest.entries.count)) == nil)
        #expect(list(TarballLimits(entries: manifest.entries.count - 1)) == .tooLarge)
        #expect(list(TarballLimits(fileSize: 300_000, totalSize: manifest.totalSize)) == nil)
        #expect(list(TarballLimits(fileSize: 299_999)) == .tooLarge)
        #expect(list(TarballLimits(totalSize: manifest.totalSize - 1)) == .tooLarge)
    }
}
