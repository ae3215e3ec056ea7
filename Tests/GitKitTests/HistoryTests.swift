import Foundation
import GitKit
import Testing

@Suite struct HistoryTests {
    let scratch: ScratchRepository

    init() throws { scratch = try ScratchRepository() }

    /// One commit after another, oldest first.
    private func chain(_ count: Int, after start: ObjectID? = nil, dates: (Int) -> Int = { 1_700_000_000 + $0 }) throws
        -> [ObjectID]
    {
        var ids: [ObjectID] = []
        for index in 0..<count {
            let parents = [ids.last ?? start].compactMap { $0 }
            ids.append(
                try scratch.commit(["f": "\(index)"], parents: parents, message: "c\(index)", date: dates(index)))
        }
        return ids
    }

    @Test func `ancestry is known in a whole repository, a commit being its own ancestor`() throws {
        let main = try chain(4)
        let forced = try scratch.commit(["f": "forced"], parents: [main[1]], message: "forced")
        let repository = try scratch.open()
        #expect(try repository.isAncestor(main[0], of: main[3]) == true)
        #expect(try repository.isAncestor(main[3], of: main[3]) == true)
        #expect(try repository.isAncestor(main[3], of: main[0]) == false)
        #expect(try repository.isAncestor(main[3], of: forced) == false)
        #expect(try repository.mergeBase(main[3], forced) == main[1])
        let stranger = try scratch.commit(["x": "y"], message: "root of another history")
        #expect(try repository.mergeBase(main[3], stranger) == nil)
        #expect(try repository.isAncestor(stranger, of: main[3]) == false)
    }

    @Test func `clocks that lie change nothing about ancestry or order`() throws {
        let dates = [4_000_000_000, 5, 3_000_000_000, 1, 1_700_000_000, 2]
        let main = try chain(6) { dates[$0] }
        let repository = try scratch.open()
        #expect(try repository.isAncestor(main[0], of: main[5]) == true)
        #expect(try repository.isAncestor(main[5], of: main[0]) == false)
        #expect(
            try repository.commits(from: main[1], to: main[5], limit: 10).commits.map(\.id) == main[2...].reversed())
    }

    @Test func `commits between two points come newest first and up to a limit`() throws {
        let main = try chain(6)
        let repository = try scratch.open()
        let some = try repository.commits(from: main[1], to: main[5], limit: 10)
        #expect(some.commits.map(\.id) == main[2...].reversed())
        #expect(some.complete)
        let few = try repository.commits(from: nil, to: main[5], limit: 2)
        #expect(few.commits.map(\.id) == [main[5], main[4]])
        #expect(!few.complete)
        #expect(try repository.commits(from: nil, to: main[5], limit: 6).complete)
        #expect(try repository.commits(from: main[5], to: main[5], limit: 6).commits.isEmpty)
        #expect(try repository.commits(from: main[5], to: main[1], limit: 6).commits.isEmpty)
    }

    @Test func `merged branches keep children before parents`() throws {
        let main = try chain(3)
        let side = try chain(3, after: main[0]) { 1_600_000_000 + $0 }
        let merge = try scratch.commit(["f": "m"], parents: [main[2], side[2]], message: "merge", date: 1)
        let commits = try scratch.open().commits(from: main[0], to: merge, limit: 100).commits
        #expect(Set(commits.map(\.id)) == Set(main[1...] + side + [merge]))
        for (place, commit) in commits.enumerated() {
            #expect(commits[..<place].allSatisfy { !commit.parents.contains($0.id) })
        }
    }

    @Test func `annotated tags stand for their commits`() throws {
        let main = try chain(2)
        try scratch.git("tag", "-a", "-m", "x", "v0", main[0].hex)
        try scratch.git("tag", "-a", "-m", "x", "v1", main[1].hex)
        let repository = try scratch.open()
        let old = try #require(try repository.target(of: ReferenceName("refs/tags/v0")))
        let new = try #require(try repository.target(of: ReferenceName("refs/tags/v1")))
        #expect(try repository.isAncestor(old, of: new) == true)
        #expect(try repository.mergeBase(old, new) == main[0])
        #expect(try repository.commits(from: old, to: new, limit: 9).commits.map(\.id) == [main[1]])
    }

    @Test func `a shallow repository says what it can see and leaves the rest unknown`() throws {
        let main = try chain(6)
        try scratch.git("update-ref", "refs/heads/main", main[5].hex)
        let shallow = scratch.folder + "/shallow"
        try ScratchRepository.run(
            ["git", "clone", "-q", "--bare", "--depth=3", "file://" + scratch.path, shallow], in: scratch.folder)
        let repository = try Repository(at: shallow)
        #expect(repository.isShallow)
        #expect(!repository.contains(main[2]))
        #expect(try repository.isAncestor(main[4], of: main[5]) == true)
        #expect(try repository.isAncestor(main[3], of: main[5]) == true)
        #expect(try repository.isAncestor(main[0], of: main[5]) == nil)
        // That one is the other's ancestor settles it without the missing history.
        #expect(try repository.isAncestor(main[5], of: main[4]) == false)
        #expect(try repository.mergeBase(main[0], main[5]) == nil)
        let known = try repository.commits(from: nil, to: main[5], limit: 50)
        #expect(known.commits.map(\.id) == [main[5], main[4], main[3]])
        #expect(!known.complete)
        let some = try repository.commits(from: main[4], to: main[5], limit: 50)
        #expect(some.commits.map(\.id) == [main[5]])
        #expect(try repository.changes(from: main[3], to: main[5]).count == 1)
    }

    @Test func `an old commit that gc took away leaves the answer unknown`() throws {
        let main = try chain(2)
        let gone = try #require(ObjectID(String(repeating: "ab", count: 20)))
        let repository = try scratch.open()
        #expect(try repository.isAncestor(gone, of: main[1]) == nil)
        #expect(try repository.isAncestor(main[1], of: gone) == nil)
        #expect(try repository.mergeBase(gone, main[1]) == nil)
        let listed = try repository.commits(from: gone, to: main[1], limit: 9)
        #expect(listed.commits.count == 2)
        #expect(!listed.complete)
        #expect(throws: GitError.self) { try repository.commits(from: nil, to: gone, limit: 9) }
    }

    @Test func `forced pushes and gc take the old commit away, and that is seen`() throws {
        let main = try chain(3)
        try scratch.git("update-ref", "refs/heads/main", main[2].hex)
        let repository = try scratch.open()
        #expect(try repository.isAncestor(main[1], of: main[2]) == true)
        let forced = try scratch.commit(["f": "forced"], parents: [main[0]])
        try scratch.git("update-ref", "refs/heads/main", forced.hex)
        try scratch.git("-c", "gc.reflogExpire=now", "gc", "-q", "--prune=now")
        #expect(try repository.isAncestor(main[0], of: forced) == true)
        #expect(try scratch.open().isAncestor(main[2], of: forced) == nil)
    }
}
