import ArtifactKit
import Dispatch
import Foundation
import Glibc
import Synchronization
import Testing

@Suite struct DirectoryTests {
    @Test func `modes are exact whatever the umask`() throws {
        let scratch = try Scratch()
        let path = scratch.path
        try withUmask(0o077) {
            let directory = try Directory(path: path)
            try directory.makeDirectories(bytes("a/b"))
            try directory.makeDirectory(bytes("c"), mode: 0o2750)
            try directory.createFile(bytes("d"), mode: 0o6755).close()
            try directory.writeAtomically(bytes("e"), [], mode: 0o664)
            _ = try Directory(creating: path + "/x/y", mode: 0o700)
        }
        let modes = try ["a", "a/b", "c", "d", "e"].map { try scratch.directory.metadata(bytes($0))?.mode }
        #expect(modes == [0o755, 0o755, 0o750, 0o755, 0o664])
        #expect(try scratch.directory.metadata(bytes("x"))?.mode == 0o755)
        #expect(try scratch.directory.metadata(bytes("x/y"))?.mode == 0o700)
        #expect(try Directory(creating: scratch.path("x")).status().mode == 0o755)
    }

    @Test func `no link is followed, wherever it stands`() throws {
        let scratch = try Scratch()
        let inside = try scratch.folder("inside")
        _ = try scratch.folder("outside")
        try scratch.write("outside/canary", "alive")
        try inside.createLink(bytes("out"), target: bytes("../outside"))
        try inside.createLink(bytes("loop"), target: bytes("loop"))
        try inside.createLink(bytes("file"), target: bytes("../outside/canary"))
        for path in ["out/canary", "out/new", "loop/new"].map(bytes) {
            #expect(code { _ = try inside.readFile(path, limit: 10) } == .link)
            #expect(code { _ = try inside.createFile(path) } == .link)
            #expect(code { try inside.createLink(path, target: bytes("x")) } == .link)
            #expect(code { try inside.writeAtomically(path, []) } == .link)
            #expect(code { try inside.swapLink(path, target: bytes("x")) } == .link)
            #expect(code { try inside.makeDirectory(path) } == .link)
            #expect(throws: ArtifactError.self) { try inside.makeDirectories(path) }
            #expect(throws: ArtifactError.self) { try inside.remove(path) }
            #expect(throws: ArtifactError.self) { try inside.removeTree(path) }
            #expect(code { try inside.rename(path, to: bytes("moved")) } == .link)
            #expect(throws: ArtifactError.self) { try inside.metadata(path) }
        }
        #expect(throws: ArtifactError.self) { try inside.open(bytes("out")) }
        #expect(throws: ArtifactError.self) { try inside.makeDirectories(bytes("out")) }
        #expect(code { _ = try inside.readFile(bytes("file"), limit: 10) } == .link)
        #expect(code { _ = try inside.createFile(bytes("file")) } == .exists)
        #expect(try inside.readLink(bytes("file")) == bytes("../outside/canary"))
        try inside.writeAtomically(bytes("file"), bytes("replaced"))
        #expect(try inside.metadata(bytes("file"))?.kind == .file)
        #expect(try scratch.directory.readFile(bytes("outside/canary"), limit: 10) == bytes("alive"))
        #expect(try scratch.directory.open(bytes("outside")).entries().count == 1)
        #expect(code { _ = try inside.open(bytes("..")) } == .unsafePath)
        #expect(code { _ = try inside.open(bytes("/")) } == .unsafePath)
    }

    @Test func `reading is bounded and for regular files alone`() throws {
        let scratch = try Scratch()
        try scratch.write("ten", "0123456789")
        mkfifo(scratch.path("pipe"), 0o600)
        #expect(try scratch.directory.readFile(bytes("ten"), limit: 10).count == 10)
        #expect(code { _ = try scratch.directory.readFile(bytes("ten"), limit: 9) } == .tooLarge)
        #expect(code { _ = try scratch.directory.readFile(bytes("pipe"), limit: 9) } == .unsafeEntry)
        #expect(code { _ = try scratch.directory.readFile(bytes("none"), limit: 9) } == .notFound)
        #expect(try scratch.directory.metadata(bytes("none")) == nil)
        #expect(try scratch.directory.metadata(bytes("ten/below")) == nil)
        #expect(try scratch.directory.metadata(bytes("pipe"))?.kind == .other)
        #expect(try scratch.directory.entries().map(\.kind) == [.other, .file])
    }

    @Test func `an error says what and where in one line`() throws {
        let scratch = try Scratch()
        let error = #expect(throws: ArtifactError.self) {
            _ = try scratch.directory.readFile(bytes("no\nsuch"), limit: 1)
        }
        #expect(error?.description == "could not read \(scratch.path)/no\\x0Asuch: no such file or directory")
    }

    @Test func `a file is replaced whole and leaves nothing aside`() throws {
        let scratch = try Scratch()
        try scratch.write("file", "old")
        let before = try scratch.directory.metadata(bytes("file"))?.inode
        try scratch.directory.writeAtomically(bytes("file"), bytes("new"))
        #expect(try scratch.directory.metadata(bytes("file"))?.inode != before)
        #expect(try scratch.directory.readFile(bytes("file"), limit: 9) == bytes("new"))
        _ = try scratch.folder("folder")
        #expect(throws: ArtifactError.self) { try scratch.directory.writeAtomically(bytes("folder"), []) }
        #expect(throws: ArtifactError.self) { try scratch.directory.swapLink(bytes("folder"), target: bytes("x")) }
        #expect(try scratch.directory.entries().map(\.name) == ["file", "folder"].map(bytes))
    }

    @Test func `a folder is renamed below another`() throws {
        let scratch = try Scratch()
        let (one, two) = (try scratch.folder("one"), try scratch.folder("two"))
        try one.makeDirectories(bytes("a/b"))
        try one.rename(bytes("a/b"), to: bytes("c"), in: two)
        #expect(try two.entries().map(\.name) == [bytes("c")])
        try scratch.directory.rename(bytes("two/c"), to: bytes("one/d"))
        #expect(try one.entries().map(\.name) == ["a", "d"].map(bytes))
    }

    @Test func `a reader never misses a link that is being switched`() throws {
        let scratch = try Scratch()
        let (path, count) = (scratch.path, 3000)
        let misses = Mutex(0)
        let reads = Mutex(0)
        try scratch.directory.swapLink(bytes("current"), target: bytes("release-0"))
        DispatchQueue.concurrentPerform(iterations: 2) { worker in
            #expect(throws: Never.self) {
                let directory = try Directory(path: path)
                if worker == 0 {
                    for number in 1...count {
                        try directory.swapLink(bytes("current"), target: bytes("release-\(number)"))
                    }
                } else {
                    let last = bytes("release-\(count)")
                    let deadline = ContinuousClock.now + .seconds(60)
                    while ContinuousClock.now < deadline {
                        reads.withLock { $0 += 1 }
                        guard let target = try? directory.readLink(bytes("current")) else {  // counted, not lost
                            misses.withLock { $0 += 1 }
                            continue
                        }
                        if target == last { break }
                    }
                }
            }
        }
        #expect(misses.withLock { $0 } == 0)
        #expect(reads.withLock { $0 } > 0)
        #expect(try scratch.directory.entries().map(\.name) == [bytes("current")])
    }

    @Test func `a descriptor is closed with its folder and is not inherited`() throws {
        let scratch = try Scratch()
        var number: Int32 = -1
        do {
            let folder = try scratch.folder("a")
            number = folder.descriptor
            #expect(fcntl(number, F_GETFD) & FD_CLOEXEC != 0)
            #expect(folder.path == scratch.path("a"))
            #expect(try folder.freeSpace() > 0)
            try folder.sync()
            try folder.syncFileSystem()
        }
    }
}
