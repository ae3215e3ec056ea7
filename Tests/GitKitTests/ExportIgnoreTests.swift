import Foundation
@testable import GitKit
import Testing

/// Whatever real git says about `export-ignore`, we say too.
@Suite struct ExportIgnoreTests {
    /// What `git archive` packs, as tar shows it.
    private func archived(_ commit: ObjectID, in scratch: ScratchRepository) throws -> [String] {
        let tar = scratch.folder + "/archive.tar"
        try scratch.git("archive", "-o", tar, commit.hex)
        let listing = try ScratchRepository.run(["tar", "--quoting-style=literal", "-tf", tar], in: scratch.folder)
        return String(decoding: listing, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    private func walked(_ commit: ObjectID, in scratch: ScratchRepository) throws -> [String] {
        var paths: [String] = []
        try scratch.open().walkTree(of: commit) { entry in
            let slash = entry.kind == .directory || entry.kind == .submodule ? "/" : ""
            paths.append(String(decoding: entry.path, as: UTF8.self) + slash)
        }
        return paths
    }

    @Test(arguments: [
        ["/docs export-ignore"], ["*.md export-ignore"], ["tests/ export-ignore"], ["tests export-ignore"],
        ["docs/** export-ignore"], ["a/**/b export-ignore"], ["**/x export-ignore"], ["docs/*.md export-ignore"],
        ["* export-ignore", "keep* !export-ignore"], ["* export-ignore", "keep.txt -export-ignore"],
        ["\"with space\" export-ignore"], ["\"t\\141b\" export-ignore"], ["docs export-ignore=no"],
        ["[attr]private export-ignore", "docs private"], ["docs private", "[attr]private export-ignore"],
        ["[attr]private export-ignore", "* private", "*.md -private"], ["!docs export-ignore"],
        ["[a-d]* export-ignore"], ["[!a-d]* export-ignore"], ["? export-ignore"], ["/a/ export-ignore"],
        ["a/b/ export-ignore"], ["# docs export-ignore", "  tests\texport-ignore\r"], ["docs ex/port export-ignore"],
        [".gitattributes export-ignore", "docs export-ignore"], ["module export-ignore"], ["module/ export-ignore"],
        ["docs/deep export-ignore", "docs/*.md export-ignore"], ["\u{feff}docs export-ignore"],
    ])
    func `the walk visits what git archive packs`(lines: [String]) throws {
        let scratch = try ScratchRepository()
        var files: [String: String] = [".gitattributes": lines.joined(separator: "\n") + "\n"]
        for path in [
            "README.md", "keep.txt", "docs/a.md", "docs/deep/er/b.md", "docs/keep.md", "tests/t", "lib/tests/t", "a/b",
            "a/c/b/f", "a/c/d/b", "x", "lib/x/f", "with space", "tab", "Zebra", "only/dirs/in/here",
        ] { files[path] = path }
        let plain = try scratch.commit(files)
        let wanted = try #require(ObjectID(String(repeating: "12", count: 20)))
        let tree = try scratch.tree(of: plain, adding: "module", at: wanted)
        let commit = try scratch.commit(tree: tree)
        #expect(try walked(commit, in: scratch) == archived(commit, in: scratch))
    }

    @Test func `deeper files win, and may bring back what was left out above them`() throws {
        let scratch = try ScratchRepository()
        let commit = try scratch.commit([
            ".gitattributes": "*.log export-ignore\n/docs/only.txt export-ignore\n/gone export-ignore\n",
            "docs/.gitattributes": "keep.log -export-ignore\n/sub/x export-ignore\n[attr]m export-ignore\nn m\n",
            "docs/keep.log": "", "docs/other.log": "", "docs/sub/x": "", "docs/sub/keep.log": "", "docs/n": "",
            "docs/only.txt": "", "sub/x": "", "gone/.gitattributes": "* -export-ignore\n", "gone/f": "",
            "docs/sub/.gitattributes": "keep.log export-ignore\n",
        ])
        #expect(try walked(commit, in: scratch) == archived(commit, in: scratch))
    }

    @Test func `random patterns mean to us what they mean to git`() throws {
        let scratch = try ScratchRepository(bare: false)
        let names = ["a", "b", "ab", "a.c", "[x]", "a b", "-", "ba"]
        var generator = SystemRandomNumberGenerator()
        let paths = (0..<60).map { _ in
            (0..<Int.random(in: 1...4)).map { _ in names.randomElement(using: &generator) ?? "a" }.joined(
                separator: "/")
        }.flatMap { [$0, $0 + "/"] }
        let pieces = [
            "*", "**", "/", "?", "a", "b", ".c", "[ab]", "[!a]", "[^b]", "[a-c]", "[[:alpha:]]", "\\", "**/", "/**/",
            "/**",
            "[", "]", "-", "x", "[[:bad:]]", "[]-]", "[\\]]", "!", "***",
        ]
        for _ in 0..<150 {
            let lines = (0..<Int.random(in: 1...4)).map { _ in
                let pattern = (0..<Int.random(in: 1...6)).map { _ in pieces.randomElement(using: &generator) ?? "a" }
                    .joined()
                return pattern + [" export-ignore", " -export-ignore", " !export-ignore", " export-ignore"]
                    .randomElement()!
            }
            let text = lines.joined(separator: "\n") + "\n"
            try text.write(toFile: scratch.path + "/.gitattributes", atomically: true, encoding: .utf8)
            let input = Array(paths.joined(separator: "\0").utf8) + [0]
            let answers = try scratch.git("check-attr", "-z", "--stdin", "export-ignore", input: input).split(
                separator: "\0")
            var ignored = ExportIgnore(operation: "test")
            ignored.push(AttributeFile(Array(text.utf8), allowsMacros: true), at: [])
            for (index, path) in paths.enumerated() {
                let isDirectory = path.hasSuffix("/")
                let entry = TreeEntry(
                    path: Array((isDirectory ? String(path.dropLast()) : path).utf8),
                    kind: isDirectory ? .directory : .file,
                    id: try #require(ObjectID(String(repeating: "0", count: 40))))
                let ours = try ignored.contains(entry)
                #expect(ours == (answers[index * 3 + 2] == "set"), "\(path) in \(lines)")
            }
        }
    }

    @Test func `a pattern made to waste time is refused`() throws {
        let scratch = try ScratchRepository()
        let pattern = String(repeating: "**/", count: 40) + "b"
        let path = String(repeating: "a/", count: 100) + "c"
        let commit = try scratch.commit([".gitattributes": "\(pattern) export-ignore\n", path: ""])
        let error = try gitError { try scratch.open().walkTree(of: commit) { _ in } }
        #expect(error.reason.contains("takes too long to match"))
    }

    @Test func `an enormous file of attributes is refused`() throws {
        let scratch = try ScratchRepository()
        let commit = try scratch.commit([".gitattributes": String(repeating: "# much ado\n", count: 100_000)])
        let error = try gitError { try scratch.open().walkTree(of: commit) { _ in } }
        #expect(error.reason.hasPrefix("\".gitattributes\" has 1100000 bytes"))
    }
}

extension ScratchRepository {
    /// The tree of a commit with a submodule more; mktree puts it where git sorts it.
    func tree(of commit: ObjectID, adding submodule: String, at wanted: ObjectID) throws -> ObjectID {
        let lines = try git("ls-tree", "-z", commit.hex) + "160000 commit \(wanted)\t\(submodule)\0"
        return try #require(ObjectID(try git("mktree", "-z", "--missing", input: Array(lines.utf8))))
    }
}
