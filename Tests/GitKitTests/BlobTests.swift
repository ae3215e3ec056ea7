import Foundation
import GitKit
import Testing

@Suite(.serialized) struct BlobTests {
    @Test func `a blob is read whole and its size without reading it`() throws {
        let scratch = try ScratchRepository()
        let content = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let id = try scratch.blob(content)
        let empty = try scratch.blob("")
        let repository = try scratch.open()
        #expect(try repository.blobSize(id) == 100_000)
        #expect(try repository.blob(id) == content)
        #expect(try repository.blob(empty).isEmpty)
        let tree = try scratch.tree("100644", "f", id)
        #expect(try gitError { _ = try repository.blob(tree) }.reason == "it is a tree, not a blob")
    }

    @Test(arguments: [-1, 0, 1])
    func `the limit of what is held in memory is exact`(excess: Int) throws {
        let scratch = try ScratchRepository()
        let size = Int(Repository.inMemoryLimit) + excess
        let id = try scratch.blob((0..<size).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 8) })
        let repository = try scratch.open()
        var count = 0
        var pieces = 0
        try repository.readBlob(id) {
            count += $0.count
            pieces += 1
        }
        #expect(count == size)
        #expect((pieces > 1) == (excess > 0))
        if excess > 0 {
            #expect(try gitError { _ = try repository.blob(id) }.reason.contains("at most 8388608 are held in memory"))
        } else {
            #expect(try repository.blob(id).count == size)
        }
    }

    @Test(arguments: [false, true])
    func `large blobs follow each other, and one left halfway harms no other`(packed: Bool) throws {
        struct Enough: Error {}
        let scratch = try ScratchRepository()
        let size = Int(Repository.inMemoryLimit) + 5
        let ids = try (1...3).map { try scratch.blob([UInt8](repeating: $0, count: size)) }
        for id in ids { try scratch.git("update-ref", "refs/keep/\(id)", id.hex) }
        if packed { try scratch.git("repack", "-adq") }
        let repository = try scratch.open()
        func readWhole(_ index: Int) throws {
            var sum = 0
            try repository.readBlob(ids[index]) { piece in
                #expect(piece.first == UInt8(index + 1) && piece.last == UInt8(index + 1))
                sum += piece.count
            }
            #expect(sum == size)
        }
        try readWhole(0)
        try readWhole(1)
        #expect(throws: Enough.self) { try repository.readBlob(ids[2]) { _ in throw Enough() } }
        try readWhole(0)
        try readWhole(2)
    }

    @Test func `a stream sees what was pushed after it was started`() throws {
        let scratch = try ScratchRepository()
        let size = Int(Repository.inMemoryLimit) + 5
        let repository = try scratch.open()
        for byte: UInt8 in 1...2 {
            let id = try scratch.blob([UInt8](repeating: byte, count: size))
            try scratch.git("update-ref", "refs/keep/\(byte)", id.hex)
            try repository.readBlob(id) { #expect($0.first == byte) }
            try scratch.git("repack", "-adq")
            try repository.readBlob(id) { #expect($0.first == byte) }
        }
    }

    @Test func `a large blob cut short on disk is corrupt`() throws {
        let scratch = try ScratchRepository()
        let id = try scratch.blob((0..<20_000_000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) })
        let path = "\(scratch.path)/objects/\(id.abbreviated(2))/\(id.hex.dropFirst(2))"
        let size = try #require(try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
        chmod(path, 0o644)
        #expect(truncate(path, size / 2) == 0)
        let error = try gitError { try scratch.open().readBlob(id) { _ in } }
        #expect(error.code == .corrupt)
    }

    @Test func `no child is left when the repository is closed`() throws {
        let scratch = try ScratchRepository()
        let id = try scratch.blob([UInt8](repeating: 1, count: Int(Repository.inMemoryLimit) + 1))
        try scratch.git("update-ref", "refs/keep/one", id.hex)
        try scratch.git("repack", "-adq")
        try scratch.open().readBlob(id) { _ in }
        let processes = try ScratchRepository.run(["ps", "-eo", "args"], in: scratch.folder)
        #expect(!String(decoding: processes, as: UTF8.self).contains("--git-dir=\(scratch.path)"))
    }

    @Test(arguments: [false, true])
    func `300 MiB are read with flat memory, loose and packed`(packed: Bool) throws {
        let scratch = try ScratchRepository()
        let file = scratch.folder + "/huge"
        let size = 300 << 20
        #expect(FileManager.default.createFile(atPath: file, contents: Data("begin".utf8)))
        #expect(truncate(file, size) == 0)
        let id = try #require(
            ObjectID(
                try scratch.git("-c", "core.bigFileThreshold=1m", "-c", "core.compression=1", "hash-object", "-w", file)
            ))
        if packed {
            try scratch.git("update-ref", "refs/keep/huge", id.hex)
            try scratch.git("-c", "core.bigFileThreshold=1m", "-c", "core.compression=1", "repack", "-adq")
        }
        let repository = try scratch.open()
        #expect(try repository.blobSize(id) == Int64(size))
        let before = try Self.residentBytes()
        var (count, peak, pieces) = (0, 0, 0)
        var first: [UInt8] = []
        try repository.readBlob(id) { piece in
            if count == 0 { first = Array(piece.prefix(5)) }
            count += piece.count
            pieces += 1
            if pieces % 100 == 0 { peak = max(peak, try Self.residentBytes()) }
        }
        #expect(count == size)
        #expect(first == Array("begin".utf8))
        // Other tests run beside this one, so what is allowed is far less than the blob and more than nothing.
        #expect(peak - before < 64 << 20, "grew by \((peak - before) >> 10) KiB")
        print("300 MiB \(packed ? "packed" : "loose"): grew by \((peak - before) >> 10) KiB in \(pieces) pieces")
    }

    private static func residentBytes() throws -> Int {
        let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
        return (Int(text[1]) ?? 0) * 4096
    }
}
