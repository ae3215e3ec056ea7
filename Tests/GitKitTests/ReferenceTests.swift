import Foundation
import GitKit
import Synchronization
import Testing

@Suite struct ReferenceTests {
    let scratch: ScratchRepository
    let first: ObjectID
    let second: ObjectID

    init() throws {
        scratch = try ScratchRepository()
        first = try scratch.commit(["a": "1"])
        second = try scratch.commit(["a": "2"], parents: [first])
        try scratch.git("update-ref", "refs/heads/main", first.hex)
    }

    @Test func `packed and loose references are found alike`() throws {
        try scratch.git("pack-refs", "--all")
        try scratch.git("update-ref", "refs/heads/feat/a", second.hex)
        let repository = try scratch.open()
        #expect(!FileManager.default.fileExists(atPath: scratch.path + "/refs/heads/main"))
        #expect(try repository.target(of: ReferenceName("refs/heads/main")) == first)
        #expect(try repository.target(of: ReferenceName("refs/heads/feat/a")) == second)
        #expect(try repository.target(of: ReferenceName("HEAD")) == first)
        let found = try repository.references(under: "refs/heads/")
        #expect(found.map(\.0.text) == ["refs/heads/feat/a", "refs/heads/main"])
        #expect(found.map(\.1) == [second, first])
    }

    @Test(arguments: [
        "refs/heads/feat", "refs/heads/none", "refs/heads/main/below", "refs/heads/a..b", "refs/heads/a b", "", "/",
        "refs/heads/nul\0x", "refs/heads/" + String(repeating: "x", count: 300), "../../etc/passwd", "-x",
    ])
    func `an absent or impossible name has no target`(name: String) throws {
        try scratch.git("update-ref", "refs/heads/feat/a", second.hex)
        #expect(try scratch.open().target(of: ReferenceName(name)) == nil)
    }

    @Test(arguments: [
        Array("refs/heads/feat/a;$(touch${IFS}pwn)".utf8), Array("refs/heads/-x".utf8),
        Array("refs/heads/größe%\"'".utf8),
        Array("refs/heads/".utf8) + [0xff, 0xfe],
        Array(("refs/heads/" + String(repeating: "long/", count: 45) + "x").utf8),
    ])
    func `hostile names are bytes and nothing else`(bytes: [UInt8]) throws {
        let line = Array("create ".utf8) + bytes + Array(" \(second)\n".utf8)
        try scratch.git("update-ref", "--stdin", input: line)
        let repository = try scratch.open()
        let name = ReferenceName(bytes: bytes)
        #expect(try repository.target(of: name) == second)
        #expect(try repository.references(under: "refs/").contains { $0.0 == name && $0.1 == second })
        try repository.deleteReference(name)
        #expect(try repository.target(of: name) == nil)
    }

    @Test func `a symbolic reference is resolved, and a dangling one left out`() throws {
        try scratch.git("symbolic-ref", "refs/heads/alias", "refs/heads/main")
        try scratch.git("symbolic-ref", "refs/heads/dangling", "refs/heads/none")
        let repository = try scratch.open()
        #expect(try repository.target(of: ReferenceName("refs/heads/alias")) == first)
        #expect(try repository.target(of: ReferenceName("refs/heads/dangling")) == nil)
        #expect(try repository.references(under: "refs/").map(\.0.short) == ["alias", "main"])
    }

    @Test func `a detached head names no branch`() throws {
        try scratch.git("update-ref", "--no-deref", "HEAD", first.hex)
        #expect(try scratch.open().head == nil)
        try scratch.git("symbolic-ref", "HEAD", "refs/heads/trunk")
        #expect(try scratch.open().head == ReferenceName("refs/heads/trunk"))
    }

    @Test func `references are set, moved and deleted, and git sees it`() throws {
        let repository = try scratch.open()
        let name = ReferenceName("refs/shipit/blog/production")
        try repository.setReference(name, to: first)
        try repository.setReference(name, to: second)
        #expect(try scratch.git("rev-parse", "refs/shipit/blog/production") == second.hex)
        try scratch.git("pack-refs", "--all")
        try repository.deleteReference(name)
        try repository.deleteReference(name)
        #expect(try scratch.git("for-each-ref", "refs/shipit").isEmpty)
    }

    @Test func `a reference to nothing, or of a bad name, is refused`() throws {
        let repository = try scratch.open()
        let absent = try #require(ObjectID(String(repeating: "12", count: 20)))
        let zero = try #require(ObjectID(String(repeating: "0", count: 64)))
        #expect(throws: GitError.self) { try repository.setReference(ReferenceName("refs/heads/x"), to: absent) }
        #expect(throws: GitError.self) { try repository.setReference(ReferenceName("refs/heads/x"), to: zero) }
        let error = try gitError { try repository.setReference(ReferenceName("refs/heads/a b"), to: first) }
        #expect(error.code == .invalid)
    }

    @Test func `a reference moves only from what the caller saw`() throws {
        let repository = try scratch.open()
        let name = ReferenceName("refs/shipit/x")
        let zero = try #require(ObjectID(String(repeating: "0", count: 40)))
        #expect(try repository.compareAndSetReference(name, from: first, to: second) == false)
        #expect(try repository.compareAndSetReference(name, from: nil, to: first))
        #expect(try repository.compareAndSetReference(name, from: nil, to: second) == false)
        #expect(try repository.compareAndSetReference(name, from: second, to: second) == false)
        #expect(try repository.compareAndSetReference(name, from: first, to: second))
        #expect(try repository.compareAndSetReference(name, from: first, to: nil) == false)
        #expect(try repository.compareAndSetReference(name, from: second, to: zero))
        #expect(try repository.target(of: name) == nil)
        #expect(try repository.compareAndSetReference(name, from: nil, to: nil))
        #expect(try repository.compareAndSetReference(name, from: first, to: nil) == false)
    }

    @Test func `a lock that stays is reported as such`() throws {
        try Data().write(to: URL(fileURLWithPath: scratch.path + "/refs/heads/main.lock"))
        let repository = try scratch.open()
        let error = try gitError { try repository.setReference(ReferenceName("refs/heads/main"), to: second) }
        #expect(error.code == .locked)
    }

    @Test func `a packed reference moves and goes like a loose one`() throws {
        let repository = try scratch.open()
        let name = ReferenceName("refs/heads/main")
        try scratch.git("pack-refs", "--all")
        #expect(try repository.compareAndSetReference(name, from: second, to: first) == false)
        #expect(try repository.compareAndSetReference(name, from: first, to: second))
        try scratch.git("pack-refs", "--all")
        #expect(try repository.compareAndSetReference(name, from: second, to: nil))
        #expect(try scratch.git("for-each-ref").isEmpty)
    }

    @Test func `of those who move one reference at once, each step has one winner`() throws {
        let name = ReferenceName("refs/shipit/contended")
        let chain = try (0..<12).map { try scratch.commit(["n": "\($0)"]) }
        try scratch.open().setReference(name, to: chain[0])
        let path = scratch.path
        let wins = Mutex(0)
        DispatchQueue.concurrentPerform(iterations: 3) { _ in
            for step in 1..<chain.count {
                let moved: Bool
                do {
                    moved = try Repository(at: path).compareAndSetReference(
                        name, from: chain[step - 1], to: chain[step])
                } catch {
                    Issue.record(error)
                    return
                }
                if moved { wins.withLock { $0 += 1 } }
            }
        }
        #expect(wins.withLock { $0 } == chain.count - 1)
        #expect(try scratch.open().target(of: name) == chain.last)
    }

    @Test func `an empty reference file, as a power cut leaves it, is corrupt and hides no other`() throws {
        try scratch.git("update-ref", "refs/heads/other", second.hex)
        try Data().write(to: URL(fileURLWithPath: scratch.path + "/refs/heads/main"))
        let repository = try scratch.open()
        #expect(try gitError { _ = try repository.target(of: ReferenceName("refs/heads/main")) }.code == .corrupt)
        #expect(try repository.references(under: "refs/heads/").map(\.0.short) == ["other"])
        try repository.setReference(ReferenceName("refs/heads/main"), to: first)
        #expect(try repository.target(of: ReferenceName("refs/heads/main")) == first)
    }
}
