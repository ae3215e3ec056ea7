import ArtifactKit
import Glibc
import Testing

@Suite struct RemovalTests {
    @Test func `a tree goes and what its links lead to stays`() throws {
        let scratch = try Scratch()
        _ = try scratch.folder("canary")
        try scratch.write("canary/alive", "yes")
        let tree = try scratch.folder("tree")
        try makeSample(in: tree)
        try tree.createLink(bytes("a/out"), target: bytes("../../canary"))
        try tree.createLink(bytes("a/absolute"), target: bytes(scratch.path("canary")))
        mkfifo(scratch.path("tree/pipe"), 0o600)
        try scratch.directory.createLink(bytes("link"), target: bytes("canary"))
        try scratch.directory.removeTree(bytes("tree"))
        try scratch.directory.removeTree(bytes("link"))
        try scratch.directory.removeTree(bytes("nothing"))
        #expect(try scratch.directory.entries().map(\.name) == [bytes("canary")])
        #expect(try scratch.directory.readFile(bytes("canary/alive"), limit: 9) == bytes("yes"))
    }

    @Test func `folders that may not be written or read go too`() throws {
        let scratch = try Scratch()
        let tree = try scratch.folder("tree")
        for (name, mode) in [("a", 0o500), ("b", 0o000), ("c", 0o300)] as [(String, mode_t)] {
            try tree.makeDirectories(bytes("\(name)/inner"))
            try tree.writeAtomically(bytes("\(name)/inner/file"), [1], mode: 0o400, sync: false)
            chmod(scratch.path("tree/\(name)/inner"), mode)
            chmod(scratch.path("tree/\(name)"), mode)
        }
        try scratch.directory.removeTree(bytes("tree"))
        #expect(try scratch.directory.entries().isEmpty)
    }

    @Test func `a tree far deeper and wider than any limit goes`() throws {
        let scratch = try Scratch()
        _ = try scratch.folder("tree")
        var folder = try scratch.directory.open(bytes("tree"))
        for _ in 0..<3000 {
            try folder.makeDirectory(bytes("a-rather-long-name-of-a-folder"))
            folder = try folder.open(bytes("a-rather-long-name-of-a-folder"))
        }
        let top = try scratch.directory.open(bytes("tree"))
        for number in 0..<3000 { try top.makeDirectory(bytes("\(number)")) }
        try scratch.directory.removeTree(bytes("tree"))
        #expect(try scratch.directory.entries().isEmpty)
    }

    @Test(.enabled(if: Mount.isAllowed, "needs to be root and allowed to mount"))
    func `a mounted file system is left alone and reported`() throws {
        let scratch = try Scratch()
        let tree = try scratch.folder("tree")
        try tree.makeDirectories(bytes("a/mounted"))
        try tree.writeAtomically(bytes("a/file"), [])
        let mount = try #require(Mount(at: scratch.path("tree/a/mounted"), size: "1m"))
        try scratch.write("tree/a/mounted/canary", "alive")
        let error = #expect(throws: ArtifactError.self) { try scratch.directory.removeTree(bytes("tree")) }
        #expect(error?.code == .leftovers)
        #expect(error?.description.contains("a/mounted remains") == true)
        #expect(try scratch.directory.readFile(bytes("tree/a/mounted/canary"), limit: 9) == bytes("alive"))
        #expect(try tree.metadata(bytes("a/file")) == nil)
        mount.unmount()
        try scratch.directory.removeTree(bytes("tree"))
    }
}
