import ArtifactKit
import Testing

@Suite struct DamagedTarballTests {
    @Test func `no flipped bit, no truncation and no addition is ever accepted`() throws {
        let scratch = try Scratch()
        let summary = try pack(to: scratch.path("t")) { writer in
            try writer.addDirectory(bytes("a"))
            try writer.addFile(bytes("a/b"), executable: false, size: 300) { sink in
                try (0..<300).map { UInt8(truncatingIfNeeded: $0 &* 37) }.withUnsafeBytes { try sink($0) }
            }
            try writer.addLink(bytes("c"), target: bytes("a/b"))
        }
        let good = try scratch.directory.readFile(bytes("t"), limit: 1 << 20)
        func isAccepted(_ content: [UInt8]) throws -> Bool {
            try scratch.directory.writeAtomically(bytes("bad"), content, sync: false)
            let target = try scratch.folder("target")
            defer { #expect(throws: Never.self) { try scratch.directory.removeTree(bytes("target")) } }
            do {
                try ArtifactKitTests.extract(
                    at: scratch.path("bad"), manifest: summary.manifest, frames: summary.frames, digest: summary.digest,
                    into: target)
            } catch is ArtifactError {
                return false
            }
            return true
        }
        #expect(try isAccepted(good))
        for bit in 0..<good.count * 8 {
            var bad = good
            bad[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(try !isAccepted(bad), "bit \(bit)")
        }
        for count in 0..<good.count { #expect(try !isAccepted(Array(good[..<count])), "\(count) bytes") }
        #expect(try !isAccepted(good + [0]))
        #expect(try !isAccepted(good + good))
    }
}
