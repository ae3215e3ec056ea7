import ArtifactKit
import Testing

@Suite(.enabled(if: Mount.isAllowed, "needs to be root and allowed to mount"))
struct DiskFullTests {
    private func noise(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255) } }

    @Test func `a full disk is said plainly and leaves nothing aside`() throws {
        let scratch = try Scratch()
        let small = try scratch.folder("small")
        let mount = try #require(Mount(at: scratch.path("small"), size: "256k"))
        defer { mount.unmount() }
        let directory = try Directory(path: scratch.path("small"))
        try directory.writeAtomically(bytes("file"), bytes("old"))
        let error = #expect(throws: ArtifactError.self) {
            try directory.writeAtomically(bytes("file"), noise(400_000))
        }
        #expect(error?.code == .noSpace)
        #expect(error?.description == "could not write \(scratch.path("small/file")): no space left on device")
        #expect(try directory.readFile(bytes("file"), limit: 9) == bytes("old"))
        #expect(try directory.entries().count == 1)
        _ = small
    }

    @Test func `a tarball that does not fit is an error that says so`() throws {
        let scratch = try Scratch()
        _ = try scratch.folder("small")
        let mount = try #require(Mount(at: scratch.path("small"), size: "256k"))
        defer { mount.unmount() }
        let content = noise(3_000_000)
        let writer = try TarballWriter(at: scratch.path("small/t"), listingIn: nil)
        let error = #expect(throws: ArtifactError.self) {
            try writer.addFile(bytes("f"), executable: false, size: Int64(content.count)) { sink in
                try content.withUnsafeBytes { try sink($0) }
            }
            _ = try writer.finish()
        }
        #expect(error?.description == "could not write \(scratch.path("small/t")): no space left on device")
    }

    @Test func `a release that does not fit is an error that says so`() throws {
        let scratch = try Scratch()
        let source = try scratch.folder("source")
        try makeSample(in: source)
        let summary = try pack(source, to: scratch.path("t"))
        _ = try scratch.folder("small")
        let mount = try #require(Mount(at: scratch.path("small"), size: "256k"))
        defer { mount.unmount() }
        let error = #expect(throws: ArtifactError.self) {
            try ArtifactKitTests.extract(
                at: scratch.path("t"), manifest: summary.manifest, frames: summary.frames, digest: summary.digest,
                into: Directory(path: scratch.path("small")))
        }
        #expect(error?.code == .noSpace)
        #expect(error?.path == scratch.path("small/large"))
    }
}
