import Foundation
import GitKit
import Testing

/// Large blobs in files of their own, sound and damaged.
@Suite(.serialized) struct LooseBlobTests {
    /// A loose blob of 64 MiB and a bit that hardly compresses, and where it lies.
    private static func large(in scratch: ScratchRepository, size: Int = 64 << 20 | 5) throws -> (ObjectID, String) {
        let file = "\(scratch.folder)/large"
        let random = FileHandle(forReadingAtPath: "/dev/urandom")
        try #require(try random?.read(upToCount: size)).write(to: URL(filePath: file))
        let id = try #require(ObjectID(try scratch.git("-c", "core.compression=1", "hash-object", "-w", file)))
        let path = "\(scratch.path)/objects/\(id.abbreviated(2))/\(id.hex.dropFirst(2))"
        chmod(path, 0o644)
        return (id, path)
    }

    private static func residentBytes(_ field: String = "VmRSS") throws -> Int {
        let line = try String(contentsOfFile: "/proc/self/status", encoding: .utf8).split(separator: "\n")
            .first { $0.hasPrefix("\(field):") }
        return (line?.split(separator: " ").dropLast().last.flatMap { Int($0) } ?? 0) << 10
    }

    @Test func `64 MiB are inflated here with flat memory and without a child`() throws {
        let scratch = try ScratchRepository()
        let (id, _) = try Self.large(in: scratch)
        let expected = try ScratchRepository.run(["sha256sum", "\(scratch.folder)/large"], in: scratch.folder)
        let repository = try scratch.open()
        #expect(try repository.blobSize(id) == 64 << 20 | 5)
        let before = try Self.residentBytes()
        var (pieces, peak) = (0, 0)
        let copy = "\(scratch.folder)/copy"
        #expect(FileManager.default.createFile(atPath: copy, contents: nil))
        let output = try #require(FileHandle(forWritingAtPath: copy))
        try repository.readBlob(id) { piece in
            try output.write(contentsOf: Data(piece))
            pieces += 1
            if pieces % 16 == 0 { peak = max(peak, try Self.residentBytes()) }
        }
        let children = try ScratchRepository.run(["ps", "-eo", "args"], in: scratch.folder)
        #expect(!String(decoding: children, as: UTF8.self).contains("--git-dir=\(scratch.path)"))
        let read = try ScratchRepository.run(["sha256sum", copy], in: scratch.folder)
        #expect(read.prefix(64) == expected.prefix(64))
        // Other suites run beside this one, so what is allowed is more than nothing and far less than the blob.
        #expect(peak - before < 32 << 20, "grew by \((peak - before) >> 10) KiB")
    }

    @Test func `a file that ends early is corrupt wherever it ends`() throws {
        let scratch = try ScratchRepository()
        let (id, path) = try Self.large(in: scratch, size: 9 << 20)
        let whole = try #require(FileManager.default.contents(atPath: path))
        for length in [whole.count - 1, whole.count - 4, whole.count / 2, 40] {
            #expect(truncate(path, length) == 0)
            let error = try gitError { try scratch.open().readBlob(id) { _ in } }
            #expect(error.code == .corrupt && error.description.contains("read the blob \(id)"), "\(error)")
            try whole.write(to: URL(filePath: path))
        }
        try scratch.open().readBlob(id) { _ in }
    }

    @Test func `a bit that flipped is found before the read is believed`() throws {
        let scratch = try ScratchRepository()
        let (id, path) = try Self.large(in: scratch, size: 9 << 20)
        let whole = try #require(FileManager.default.contents(atPath: path))
        for place in [whole.count / 3, whole.count / 2, whole.count - 2] {
            var damaged = whole
            damaged[place] ^= 0x10
            try damaged.write(to: URL(filePath: path))
            var isBelieved = false
            let error = try gitError {
                try scratch.open().readBlob(id) { _ in }
                isBelieved = true
            }
            #expect(error.code == .corrupt && !isBelieved, "\(error)")
        }
    }

    @Test func `garbage after the object is refused`() throws {
        let scratch = try ScratchRepository()
        let (id, path) = try Self.large(in: scratch, size: 9 << 20)
        let file = try #require(FileHandle(forWritingAtPath: path))
        try file.seekToEnd()
        try file.write(contentsOf: Data("x".utf8))
        let error = try gitError { try scratch.open().readBlob(id) { _ in } }
        #expect(error.code == .corrupt && error.reason == "it is followed by garbage", "\(error)")
        #expect(error.hint == "see what is wrong with the object: git fsck")
    }

    @Test(arguments: [
        ("blob 9437185\\0", "it holds less than the 9437185 bytes it says"),
        ("blob 9437183\\0", "it holds more than the 9437183 bytes it says"),
        ("blob 09437184\\0", "its header is not that of a blob with 9437184 bytes"),
        ("blob 9437184\\0", "its content has the id "),
    ])
    func `a header or a content that is not the object's is refused`(header: String, reason: String) throws {
        let scratch = try ScratchRepository()
        let (id, path) = try Self.large(in: scratch, size: 9 << 20)
        let script = """
            import sys, zlib
            content = bytearray(open(sys.argv[1], 'rb').read())
            content[-1] ^= 1
            open(sys.argv[2], 'wb').write(zlib.compress(b'\(header)' + content, 1))
            """
        try ScratchRepository.run(["python3", "-c", script, "\(scratch.folder)/large", path], in: scratch.folder)
        let error = try gitError { try scratch.open().readBlob(id) { _ in } }
        #expect(error.reason.hasPrefix(reason), "\(error)")
    }

    @Test(arguments: [false, true])
    func `a loose blob of an alternate, and of an alternate's alternate, is found`(relative: Bool) throws {
        let scratch = try ScratchRepository()
        let (id, _) = try Self.large(in: scratch, size: 9 << 20)
        for (name, other) in [("second", "repository"), ("third", "second")] {
            let path = "\(scratch.folder)/\(name)"
            try ScratchRepository.run(["git", "init", "-q", "--bare", path], in: scratch.folder)
            let objects = relative && name == "third" ? "../../\(other)/objects" : "\(scratch.folder)/\(other)/objects"
            try "# a remark\n\(objects)\n".write(
                toFile: "\(path)/objects/info/alternates", atomically: false, encoding: .utf8)
            let repository = try Repository(at: path)
            var count = 0
            try repository.readBlob(id) { count += $0.count }
            #expect(count == 9 << 20)
        }
        let children = try ScratchRepository.run(["ps", "-eo", "args"], in: scratch.folder)
        #expect(!String(decoding: children, as: UTF8.self).contains("--git-dir=\(scratch.folder)"))
    }

    @Test func `alternates that point at each other end somewhere`() throws {
        let scratch = try ScratchRepository()
        let (id, path) = try Self.large(in: scratch, size: 9 << 20)
        try "\(scratch.path)/objects\n../objects\n/nowhere\n\"/quoted\"\n".write(
            toFile: "\(scratch.path)/objects/info/alternates", atomically: false, encoding: .utf8)
        try scratch.open().readBlob(id) { _ in }
        unlink(path)
        #expect(try gitError { try scratch.open().readBlob(id) { _ in } }.code == .notFound)
    }
}
