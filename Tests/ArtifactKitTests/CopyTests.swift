import ArtifactKit
import Foundation
import Glibc
import Testing

@Suite struct CopyTests {
    private func tree(_ scratch: Scratch) throws -> Directory {
        let tree = try scratch.folder("tree")
        try tree.makeDirectories(bytes("a/b"))
        try scratch.write("tree/a/file", "file\n")
        try scratch.write("tree/a/b/run", "run\n", mode: 0o755)
        try tree.createLink(bytes("a/link"), target: bytes("/etc/passwd"))
        try tree.createLink(bytes("a/folder"), target: bytes("b"))
        return tree
    }

    @Test func `a copy has the same content, modes, links and times, and nothing that is neither`() throws {
        let scratch = try Scratch()
        let tree = try tree(scratch)
        chmod(scratch.path("tree/a/b/run"), 0o6755)
        chmod(scratch.path("tree/a/b"), 0o555)
        mkfifo(scratch.path("tree/a/pipe"), 0o644)
        var times = [timeval(tv_sec: 1, tv_usec: 0), timeval(tv_sec: 1_000_000, tv_usec: 7)]
        #expect(utimes(scratch.path("tree/a/file"), &times) == 0)
        let summary = try tree.copyTree(bytes("a"), to: bytes("copy"), in: scratch.directory, of: geteuid())
        #expect(summary.files == 2)
        let copy = try scratch.directory.open(bytes("copy"))
        #expect(try copy.readFile(bytes("file"), limit: 10) == bytes("file\n"))
        #expect(try copy.readLink(bytes("link")) == bytes("/etc/passwd"))
        #expect(try copy.metadata(bytes("file"))?.modified == tree.metadata(bytes("a/file"))?.modified)
        #expect(try copy.metadata(bytes("b"))?.mode == 0o555)
        #expect(try copy.metadata(bytes("b/run"))?.mode == 0o755)
        #expect(try copy.metadata(bytes("pipe")) == nil && copy.entries().count == 4)
    }

    @Test func `what is there stays, and a folder is filled up`() throws {
        let scratch = try Scratch()
        let tree = try tree(scratch)
        let other = try scratch.folder("other")
        try other.makeDirectories(bytes("copy"))
        try scratch.write("other/copy/file", "mine\n")
        try other.createLink(bytes("copy/b"), target: bytes("../../tree"))
        _ = try tree.copyTree(bytes("a"), to: bytes("copy"), in: other)
        #expect(try other.readFile(bytes("copy/file"), limit: 10) == bytes("mine\n"))
        #expect(try other.readLink(bytes("copy/b")) == bytes("../../tree"))
        #expect(try other.readLink(bytes("copy/link")) == bytes("/etc/passwd"))
        #expect(try tree.metadata(bytes("run")) == nil, "not through the link")
    }

    @Test(.enabled(if: geteuid() == 0)) func `a file of somebody else is no part of a tree`() throws {
        let scratch = try Scratch()
        let tree = try tree(scratch)
        chown(scratch.path("tree/a/file"), 65534, 65534)
        #expect(throws: ArtifactError.self) {
            try tree.copyTree(bytes("a"), to: bytes("copy"), in: scratch.directory, of: 0)
        }
        let copied = try tree.copyTree(
            bytes("a/file"), to: bytes("one"), in: scratch.directory, of: 65534, owner: (1, 2))
        let status = try #require(try scratch.directory.metadata(bytes("one")))
        #expect(copied.files == 1 && status.owner == 1 && status.group == 2)
    }

    @Test func `more folders than a process may have open are copied`() throws {
        let scratch = try Scratch()
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let count = min(Int(limit.rlim_cur) + 10, 5000)
        let tree = try scratch.folder("tree")
        for number in 0..<count { try tree.makeDirectory(bytes("\(number)")) }
        _ = try scratch.directory.copyTree(bytes("tree"), to: bytes("copy"), in: scratch.directory)
        #expect(try scratch.directory.open(bytes("copy")).entries().count == count)
    }

    @Test(arguments: [
        "", "echo other >a/file", "printf 'FILE\\n' 1<>a/file; touch -d @1 a/file", "rm a/b/run", "touch a/b/new",
        "chmod 600 a/file", "ln a/file elsewhere", "mv a/b a/c", "ln -sfn x a/link",
    ])
    func `whatever is done to a tree after a tick of the clock shows`(deed: String) throws {
        let scratch = try Scratch()
        let tree = try tree(scratch)
        try tree.rename(bytes("a"), to: bytes("moved"))
        try tree.rename(bytes("moved"), to: bytes("a"))
        let tick = try scratch.directory.clockTick()
        let shell = Process()
        shell.executableURL = URL(filePath: "/bin/sh")
        shell.arguments = ["-c", "cat a/file a/b/run >/dev/null; \(deed)"]
        shell.currentDirectoryURL = URL(filePath: scratch.path("tree"))
        try shell.run()
        shell.waitUntilExit()
        let survey = try tree.survey(bytes("a"), limit: 100)
        #expect((survey.changed >= tick) == !deed.isEmpty)
        #expect(throws: ArtifactError.self) { try tree.survey(bytes("a"), limit: 3) }
    }

    @Test func `nothing is moved onto anything`() throws {
        let scratch = try Scratch()
        let tree = try tree(scratch)
        try scratch.write("other", "x")
        let error = #expect(throws: ArtifactError.self) {
            try tree.move(bytes("a/file"), to: bytes("other"), in: scratch.directory)
        }
        #expect(error?.code == .exists)
        try tree.move(bytes("a/file"), to: bytes("third"), in: scratch.directory)
        #expect(try scratch.directory.readFile(bytes("third"), limit: 10) == bytes("file\n"))
    }
}
