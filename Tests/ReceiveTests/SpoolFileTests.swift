import Foundation
import Glibc
import Spool
import Testing

@Suite struct SpoolFileTests {
    private let scratch: Scratch
    private let push = Push(repository: Array("/r".utf8), receivedAtNanoseconds: 1, sequence: 2)

    init() throws { scratch = try Scratch() }

    @Test func `a push is written, listed, read and removed`() throws {
        let id = try SpoolFile.write(push, into: scratch.spool)
        #expect(SpoolFile.isID(id))
        #expect(try SpoolFile.list(in: scratch.spool) == [id])
        let read = try SpoolFile.read(id, in: scratch.spool)
        #expect(read.push == push && read.uid == geteuid())
        try SpoolFile.remove(id, in: scratch.spool)
        try SpoolFile.remove(id, in: scratch.spool)
        #expect(try SpoolFile.list(in: scratch.spool).isEmpty)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.spool).isEmpty)
    }

    @Test func `the list is in the order of receiving`() throws {
        var later = push
        later.receivedAtNanoseconds = 1 << 40
        let second = try SpoolFile.write(later, into: scratch.spool)
        let first = try SpoolFile.write(push, into: scratch.spool)
        #expect(try SpoolFile.list(in: scratch.spool) == [first, second])
    }

    @Test func `the folder's group may read whatever the umask`() throws {
        let id = try SpoolFile.write(push, into: scratch.spool)
        var status = stat()
        #expect(stat("\(scratch.spool)/\(id).push", &status) == 0)
        #expect(status.st_mode & 0o777 == 0o640)
    }

    @Test(arguments: ["", "../../etc/passwd", "0000000000000001-1-0000000g", "0000000000000001--00000000", "a-b-c"])
    func `an id that is none never becomes a path`(id: String) {
        #expect(throws: SpoolError.invalidID(id)) { try SpoolFile.read(id, in: scratch.spool) }
        #expect(throws: SpoolError.invalidID(id)) { try SpoolFile.remove(id, in: scratch.spool) }
    }

    @Test func `neither a link nor a pipe nor a folder is read`() throws {
        let id = "0000000000000001-1-00000000"
        let file = "\(scratch.spool)/\(id).push"
        #expect(symlink("/etc/passwd", file) == 0)
        #expect(throws: SpoolError.self) { try SpoolFile.read(id, in: scratch.spool) }
        #expect(unlink(file) == 0 && mkfifo(file, 0o600) == 0)
        #expect(throws: SpoolError.self) { try SpoolFile.read(id, in: scratch.spool) }
        #expect(unlink(file) == 0 && mkdir(file, 0o700) == 0)
        #expect(throws: SpoolError.self) { try SpoolFile.read(id, in: scratch.spool) }
    }

    @Test func `a file beyond all measure is refused unread`() throws {
        let id = "0000000000000001-1-00000000"
        try scratch.write("", to: "\(scratch.spool)/\(id).push", mode: 0o600)
        #expect(truncate("\(scratch.spool)/\(id).push", 1 << 40) == 0)
        #expect(throws: SpoolError.tooLarge(size: 1 << 40)) { try SpoolFile.read(id, in: scratch.spool) }
    }

    @Test func `leftovers go when they are old`() throws {
        try scratch.write("", to: "\(scratch.spool)/.tmp-x", mode: 0o600)
        try SpoolFile.removeLeftovers(in: scratch.spool, olderThan: 3600)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.spool) == [".tmp-x"])
        try SpoolFile.removeLeftovers(in: scratch.spool, olderThan: -1)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.spool).isEmpty)
    }

    @Test func `a missing spool is said with its name`() {
        let error = #expect(throws: SpoolError.self) { try SpoolFile.write(push, into: scratch.path + "/none") }
        #expect(error?.description.hasSuffix("/none: no such file or directory") == true)
    }
}
