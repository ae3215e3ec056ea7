import GitKit
import Testing

@Suite struct ChangesTests {
    let scratch: ScratchRepository

    init() throws { scratch = try ScratchRepository() }

    private func shown(_ changes: [Change]) -> [String] {
        changes.map { "\($0.kind) \(String(decoding: $0.path, as: UTF8.self))" }
    }

    @Test func `what was added, modified and removed is told by path`() throws {
        let old = try scratch.commit(["same": "1", "dir/same": "1", "changed": "1", "gone/f": "1", "dir/moved": "m"])
        let new = try scratch.commit(["same": "1", "dir/same": "1", "changed": "2", "new/deep/f": "1", "moved": "m"])
        let repository = try scratch.open()
        let changes = try repository.changes(from: old, to: new)
        #expect(
            shown(changes) == [
                "modified changed", "removed dir/moved", "removed gone/f", "added moved", "added new/deep/f",
            ])
        #expect(changes[0].oldID == (try repository.file(at: "changed", in: old))?.id)
        #expect(changes[0].newKind == .file)
        #expect(changes[3].oldKind == nil)
        #expect(try repository.changes(from: new, to: new).isEmpty)
        #expect(shown(try repository.changes(from: nil, to: old)).count == 5)
    }

    @Test func `a changed mode, link or nature is a change`() throws {
        let blob = try scratch.blob("x")
        let folder = try scratch.tree("100644", "f", blob)
        let old = try scratch.commit(
            tree: scratch.tree([
                ("100644", Array("a".utf8), blob), ("100644", Array("b".utf8), blob), ("100644", Array("c".utf8), blob),
            ]))
        let new = try scratch.commit(
            tree: scratch.tree([
                ("100755", Array("a".utf8), blob), ("120000", Array("b".utf8), blob),
                ("40000", Array("c".utf8), folder),
            ]))
        let changes = try scratch.open().changes(from: old, to: new)
        #expect(shown(changes) == ["modified a", "modified b", "removed c", "added c/f"])
        #expect(changes.map(\.newKind) == [.executable, .link, nil, .file])
    }

    @Test func `the same is told as git diff-tree tells`() throws {
        let names = ["a", "a.b", "a0", "b/c", "b/d/e", "b.x", "z/y/x", "z/y/w", "c/c", "d"]
        let repository = try scratch.open()
        for _ in 0..<20 {
            func files() -> [String: String] {
                Dictionary(uniqueKeysWithValues: names.filter { _ in .random() }.map { ($0, .random() ? "1" : "2") })
            }
            let old = try scratch.commit(files())
            let new = try scratch.commit(files())
            let theirs = try scratch.git("diff-tree", "-r", "--no-renames", "--name-status", old.hex, new.hex)
            let words = ["A": "added", "M": "modified", "D": "removed"]
            let expected = theirs.split(separator: "\n").map { line in
                "\(words[String(line.prefix(1))] ?? "?") \(line.dropFirst(2))"
            }
            #expect(try shown(repository.changes(from: old, to: new)) == expected)
        }
    }
}
