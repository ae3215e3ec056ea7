import Foundation
import GitKit
import Testing

@Suite struct TreeWalkTests {
    let scratch: ScratchRepository

    init() throws { scratch = try ScratchRepository() }

    private func walk(_ commit: ObjectID, limits: TreeLimits = TreeLimits()) throws -> [TreeEntry] {
        var entries: [TreeEntry] = []
        try scratch.open().walkTree(of: commit, limits: limits) { entries.append($0) }
        return entries
    }

    private func paths(_ entries: [TreeEntry]) -> [String] {
        entries.map { String(decoding: $0.path, as: UTF8.self) + ($0.kind == .directory ? "/" : "") }
    }

    @Test func `entries come in git's order, each directory before its content`() throws {
        let commit = try scratch.commit(["a.b": "", "a/z": "", "a/b/c": "", "a0": "", "B": "", "ä": "", "-x": ""])
        #expect(paths(try walk(commit)) == ["-x", "B", "a.b", "a/", "a/b/", "a/b/c", "a/z", "a0", "ä"])
    }

    @Test func `modes are reduced to what a release may have`() throws {
        let blob = try scratch.blob("x")
        let modes: [(String, EntryKind)] = [
            ("100644", .file), ("100664", .file), ("100755", .executable), ("104755", .executable), ("106644", .file),
            ("100600", .file), ("100777", .executable), ("0100644", .file), ("120000", .link), ("120777", .link),
        ]
        let tree = try scratch.tree(modes.enumerated().map { ($1.0, Array("f\($0)".utf8), blob) })
        let entries = try walk(scratch.commit(tree: tree))
        #expect(entries.map(\.kind) == modes.map(\.1))
        #expect(entries.allSatisfy { $0.id == blob })
    }

    @Test(arguments: ["60644", "20644", "10644", "140777", "644", "0"])
    func `modes of devices and nonsense are refused`(mode: String) throws {
        let tree = try scratch.tree(mode, "device", try scratch.blob("x"))
        let error = try gitError { _ = try walk(scratch.commit(tree: tree)) }
        #expect(error.code == .invalid)
        #expect(error.reason.contains("\"device\""))
    }

    @Test func `a submodule is shown as the commit it wants`() throws {
        let wanted = try #require(ObjectID(String(repeating: "12", count: 20)))
        let tree = try scratch.tree("160000", "vendored", wanted)
        let entries = try walk(scratch.commit(tree: tree))
        #expect(entries == [TreeEntry(path: Array("vendored".utf8), kind: .submodule, id: wanted)])
    }

    @Test func `names are bytes`() throws {
        let blob = try scratch.blob("x")
        let names: [[UInt8]] = [
            [0x0a, 0x1b], Array("-rf".utf8), [UInt8](repeating: 0x61, count: 255), Array("é".utf8),
            Array("e\u{301}".utf8), [0xff, 0xfe], Array("back\\slash".utf8), Array("...".utf8),
            Array(".gitignore".utf8),
            Array(".github".utf8), Array("git~2".utf8), Array(".git-x".utf8), Array("git".utf8),
        ].sorted { $0.lexicographicallyPrecedes($1) }
        let tree = try scratch.tree(names.map { ("100644", $0, blob) })
        #expect(try walk(scratch.commit(tree: tree)).map(\.path) == names)
    }

    static let hostileNames: [[UInt8]] =
        [
            ".", "..", "", ".git", ".GIT", ".Git", "a/b", "/etc", "../x", "git~1", "GIT~1", ".git.", ".git ", ".git. .",
            ".git::$INDEX_ALLOCATION", ".git\\config", "git~1.", ".g\u{200c}it", "\u{feff}.git", ".git\u{206f}",
            ".gi\u{202e}T", "\u{200d}git~1", String(repeating: "a", count: 256),
        ].map { Array($0.utf8) }

    @Test(arguments: hostileNames)
    func `a hostile name is refused, at the top and below`(name: [UInt8]) throws {
        let blob = try scratch.blob("x")
        for entry in [("100644", blob), ("40000", try scratch.tree("100644", "f", blob)), ("120000", blob)] {
            let top = try scratch.tree([(entry.0, name, entry.1)])
            for tree in [top, try scratch.tree("40000", "below", top)] {
                let commit = try scratch.commit(tree: tree)
                let error = try gitError { _ = try walk(commit) }
                #expect(error.code == .invalid)
                #expect(error.reason.contains("the name "))
                #expect(throws: GitError.self) { try scratch.open().changes(from: nil, to: commit) }
            }
        }
    }

    @Test func `doubled names, unsorted trees, and a file and a directory of one name are refused`() throws {
        let blob = try scratch.blob("x")
        let folder = try scratch.tree("100644", "f", blob)
        func names(_ entries: (String, String, ObjectID)...) -> [(mode: String, name: [UInt8], id: ObjectID)] {
            entries.map { ($0.0, Array($0.1.utf8), $0.2) }
        }
        let cases: [([(mode: String, name: [UInt8], id: ObjectID)], String)] = [
            (names(("100644", "a", blob), ("100644", "a", blob)), "there twice"),
            (names(("120000", "a", blob), ("100644", "a", blob)), "there twice"),
            (names(("120000", "a", blob), ("40000", "a", folder)), "a file of the same name"),
            (names(("120000", "a", blob), ("100644", "a.b", blob), ("100644", "a-", blob)), "not sorted"),
            (
                names(("120000", "a", blob), ("100644", "a-", blob), ("100644", "a.b", blob), ("40000", "a", folder)),
                "a file of the same name"
            ),
            (names(("40000", "a", folder), ("40000", "a", folder)), "not sorted"),
            (names(("40000", "a", folder), ("100644", "a", blob)), "not sorted"),
            (names(("100644", "b", blob), ("100644", "a", blob)), "not sorted"),
        ]
        for (entries, reason) in cases {
            let error = try gitError { _ = try walk(scratch.commit(tree: scratch.tree(entries))) }
            #expect(error.reason.contains(reason))
        }
    }

    @Test func `a tree that is no tree is corrupt`() throws {
        let raw: [[UInt8]] = [
            Array("garbage".utf8), Array("100644 x".utf8), Array("100644 x\0short".utf8), Array("9 x\0".utf8),
        ]
        for bytes in raw {
            let id = try #require(
                ObjectID(try scratch.git("hash-object", "-t", "tree", "--literally", "-w", "--stdin", input: bytes)))
            let commit = try scratch.commit(tree: id)
            #expect(try gitError { _ = try walk(commit) }.code == .corrupt)
        }
        let blobAsTree = try scratch.tree("40000", "d", try scratch.blob("x"))
        #expect(
            try gitError { _ = try walk(scratch.commit(tree: blobAsTree)) }.reason.contains("is a blob, not a tree"))
        let missing = try scratch.tree("40000", "d", try #require(ObjectID(String(repeating: "12", count: 20))))
        #expect(try gitError { _ = try walk(scratch.commit(tree: missing)) }.code == .notFound)
    }

    @Test func `depth, path length and entries are bounded, and a limit reached is fine`() throws {
        func nested(_ depth: Int, name: String) throws -> ObjectID {
            var tree = try scratch.tree("100644", "f", try scratch.blob("x"))
            for _ in 0..<depth { tree = try scratch.tree("40000", name, tree) }
            return try scratch.commit(tree: tree)
        }
        #expect(try walk(nested(5, name: "d"), limits: TreeLimits(depth: 5)).count == 6)
        let deep = try gitError { _ = try walk(nested(6, name: "d"), limits: TreeLimits(depth: 5)) }
        #expect(deep.reason.hasPrefix("directories are nested more than 5 deep, at \"d/d/"))
        #expect(try gitError { _ = try walk(nested(300, name: "d")) }.reason.contains("more than 256 deep"))
        let long = String(repeating: "x", count: 250)
        #expect(try gitError { _ = try walk(nested(17, name: long)) }.reason.contains("more than 4096 bytes"))
        let wide = try scratch.commit(["a": "", "b": "", "c/d": ""])
        #expect(try walk(wide, limits: TreeLimits(entries: 4)).count == 4)
        #expect(
            try gitError { _ = try walk(wide, limits: TreeLimits(entries: 3)) }.reason.contains("more than 3 entries"))
        #expect(try gitError { _ = try walk(wide, limits: TreeLimits(treeBytes: 20)) }.code == .invalid)
    }

    @Test func `an error of the visitor ends the walk and comes through`() throws {
        struct Enough: Error {}
        let commit = try scratch.commit(["a": "", "b": ""])
        #expect(throws: Enough.self) { try scratch.open().walkTree(of: commit) { _ in throw Enough() } }
    }

    @Test func `one entry is looked up without following links`() throws {
        let target = try scratch.blob("elsewhere")
        let inner = try scratch.tree("100755", "run", target)
        let tree = try scratch.tree([
            ("40000", Array("dir".utf8), inner), ("120000", Array("link".utf8), target),
        ])
        let commit = try scratch.commit(tree: tree)
        let repository = try scratch.open()
        #expect(try repository.file(at: "dir/run", in: commit)?.kind == .executable)
        #expect(try repository.file(at: "dir/run", in: commit)?.id == target)
        #expect(try repository.file(at: "dir", in: commit)?.kind == .directory)
        #expect(try repository.file(at: "link", in: commit)?.kind == .link)
        for absent in ["link/x", "dir/run/x", "none", "dir/none", "../dir"] {
            #expect(try repository.file(at: absent, in: commit) == nil)
        }
        #expect(try repository.file(at: "", in: commit)?.id == tree)
    }
}
