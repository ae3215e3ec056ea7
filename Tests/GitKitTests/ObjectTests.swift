import Foundation
import GitKit
import Testing

@Suite struct ObjectTests {
    let scratch: ScratchRepository
    let commit: ObjectID

    init() throws {
        scratch = try ScratchRepository()
        commit = try scratch.commit(["a": "1", "docs/b": "2"], message: "Add a\nand b\n\nBecause.\n")
        try scratch.git("update-ref", "refs/heads/main", commit.hex)
    }

    @Test func `a commit is copied out whole`() throws {
        let value = try scratch.open().commit(commit)
        #expect(value.id == commit)
        #expect(try value.tree.hex == scratch.git("rev-parse", "main^{tree}"))
        #expect(value.parents.isEmpty)
        #expect(
            value.author == Signature(name: "Ada", email: "ada@example.org", seconds: 1_700_000_000, offsetMinutes: 60))
        #expect(value.summary == "Add a and b")
        #expect(value.message == "Add a\nand b\n\nBecause.\n")
    }

    @Test func `hostile text in a commit is made harmless and clipped`() throws {
        let tree = try scratch.git("rev-parse", "main^{tree}")
        var raw = Array("tree \(tree)\nauthor A\u{1b}]0;x\u{7} \u{202e} <a@b> 1 +0000\n".utf8)
        raw += Array("committer \u{1b}[2J <> 253402300800 -1200\n\n".utf8)
        raw +=
            Array("x\u{1b}[31m\rok\u{9b}".utf8) + [0xff, 0x0a, 0x0a] + Array(String(repeating: "ä", count: 50_000).utf8)
        let id = try #require(
            ObjectID(try scratch.git("hash-object", "-t", "commit", "--literally", "-w", "--stdin", input: raw)))
        let value = try scratch.open().commit(id)
        #expect(value.author.name == #"A\x1b]0;x\x07 \u{202e}"#)
        // libgit2 cuts control bytes off the ends of names.
        #expect(value.committer.name == "[2J")
        #expect(value.committer.seconds == 253_402_300_800)
        #expect(value.summary == #"x\x1b[31m\x0dok\u{9b}"# + "\u{fffd}")
        #expect(value.message.utf8.count < 66_000)
        #expect(value.message.hasSuffix("ä"))
    }

    @Test func `tags, tags of tags, and tags of trees and blobs are peeled`() throws {
        try scratch.git("tag", "-a", "-m", "one", "one", "main")
        try scratch.git("tag", "-a", "-m", "two", "two", "one")
        try scratch.git("tag", "-a", "-m", "tree", "tree", "main^{tree}")
        try scratch.git("tag", "-a", "-m", "blob", "blob", "main:a")
        try scratch.git("tag", "light", "main")
        let repository = try scratch.open()
        func target(_ tag: String) throws -> ObjectID {
            try #require(try repository.target(of: ReferenceName("refs/tags/\(tag)")))
        }
        #expect(try target("one") != commit)
        #expect(try target("light") == commit)
        for tag in ["one", "two", "light"] { #expect(try repository.commitID(of: target(tag)) == commit) }
        for tag in ["tree", "blob"] { #expect(try repository.commitID(of: target(tag)) == nil) }
        #expect(try gitError { _ = try repository.commit(target("one")) }.reason == "it is a tag, not a commit")
    }

    @Test func `ids that are nowhere are not found, whatever their length`() throws {
        let repository = try scratch.open()
        for hex in ["12", "00"].flatMap({ [String(repeating: $0, count: 20), String(repeating: $0, count: 32)] }) {
            let id = try #require(ObjectID(hex))
            #expect(!repository.contains(id))
            #expect(try gitError { _ = try repository.commit(id) }.code == .notFound)
            #expect(try gitError { _ = try repository.commitID(of: id) }.code == .notFound)
            #expect(try gitError { _ = try repository.blob(id) }.code == .notFound)
        }
    }

    @Test func `a unique prefix is enough, and nothing but hex digits is tried`() throws {
        let repository = try scratch.open()
        #expect(try repository.resolve(prefix: commit.abbreviated(8)) == commit)
        #expect(try repository.resolve(prefix: commit.abbreviated(9).uppercased()) == commit)
        #expect(try repository.resolve(prefix: commit.hex) == commit)
        for text in ["abc", "main", "HEAD~1", ":/x", "@{-1}", "", commit.hex + "^{}"] {
            #expect(try gitError { _ = try repository.resolve(prefix: text) }.code == .invalid)
        }
        let absent = commit.hex.hasPrefix("0000") ? "ffffffff" : "00000000"
        #expect(try gitError { _ = try repository.resolve(prefix: absent) }.code == .notFound)
        #expect(try gitError { _ = try repository.resolve(prefix: commit.hex + "00") }.code == .notFound)
    }

    @Test(arguments: [false, true])
    func `a prefix of several objects is ambiguous, loose or packed`(packed: Bool) throws {
        // Found by trying: "blob 1424" and "blob 4040" below share four digits only by the pigeonhole of 700 blobs.
        var seen: [String: ObjectID] = [:]
        var shared: String?
        for number in 0..<1500 where shared == nil {
            let id = try #require(ObjectID(Self.blobID(of: "blob \(number)")))
            if let other = seen.updateValue(id, forKey: id.abbreviated(4)) {
                shared = id.abbreviated(4)
                for text in (0...number).map({ "blob \($0)" })
                where [id.hex, other.hex].contains(Self.blobID(of: text)) {
                    #expect([id, other].contains(try scratch.blob(text)))
                }
            }
        }
        if packed {
            for (index, id) in try scratch.git("cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split(
                separator: "\n"
            ).enumerated() {
                try scratch.git("update-ref", "refs/keep/\(index)", String(id))
            }
            try scratch.git("repack", "-adq")
        }
        let error = try gitError { _ = try scratch.open().resolve(prefix: try #require(shared)) }
        #expect(error.code == .ambiguous)
        #expect(error.hint == "give more digits")
    }

    /// A blob's id without asking git 1500 times.
    private static func blobID(of text: String) -> String {
        var hasher = SHA1()
        return hasher.hex(of: Array("blob \(text.utf8.count)\0\(text)".utf8))
    }

    @Test func `objects of alternates are read, absolute and relative`() throws {
        for line in [scratch.path + "/objects", "../../repository/objects"] {
            let borrower = scratch.folder + "/borrower"
            try ScratchRepository.run(["git", "init", "-q", "--bare", borrower], in: scratch.folder)
            try (line + "\n").write(toFile: borrower + "/objects/info/alternates", atomically: true, encoding: .utf8)
            let repository = try Repository(at: borrower)
            #expect(try repository.commit(commit).summary == "Add a and b")
            #expect(try repository.file(at: "docs/b", in: commit)?.kind == .file)
            try FileManager.default.removeItem(atPath: borrower)
        }
    }

    @Test func `what a push adds after opening is found, and what gc packs meanwhile is read`() throws {
        let repository = try scratch.open()
        #expect(try repository.commit(commit).id == commit)
        var newest = commit
        for round in 0..<5 {
            newest = try scratch.commit(["a": "\(round)"], parents: [newest], message: "round \(round)")
            try scratch.git("update-ref", "refs/heads/main", newest.hex)
            #expect(try repository.commit(newest).summary == "round \(round)")
            try scratch.git("gc", "-q", "--prune=now")
            var paths = 0
            try repository.walkTree(of: newest) { entry in
                paths += 1
                let content = try repository.blob(entry.id)
                #expect(content == Array("\(round)".utf8))
            }
            #expect(paths == 1)
            #expect(try repository.commits(from: nil, to: newest, limit: 10).commits.count == round + 2)
        }
    }

    @Test func `a walk goes on while the repository is repacked under it`() throws {
        let files = Dictionary(uniqueKeysWithValues: (0..<60).map { ("d\($0 % 7)/f\($0)", "content \($0)") })
        let big = try scratch.commit(files, parents: [commit])
        try scratch.git("update-ref", "refs/heads/main", big.hex)
        let repository = try scratch.open()
        var count = 0
        try repository.walkTree(of: big) { entry in
            if count % 12 == 0 { try scratch.git("repack", count % 24 == 0 ? "-adq" : "-adqF") }
            count += 1
            if entry.kind == .file { _ = try repository.blob(entry.id) }
        }
        #expect(count == 67)
    }

    @Test func `a damaged object is corrupt, not a crash`() throws {
        let blob = try scratch.blob("to be damaged")
        let path = "\(scratch.path)/objects/\(blob.abbreviated(2))/\(blob.hex.dropFirst(2))"
        chmod(path, 0o644)
        try Data("nonsense".utf8).write(to: URL(fileURLWithPath: path))
        #expect(throws: GitError.self) { try scratch.open().blob(blob) }
        let other = try scratch.blob("other")
        let otherPath = "\(scratch.path)/objects/\(other.abbreviated(2))/\(other.hex.dropFirst(2))"
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.copyItem(atPath: otherPath, toPath: path)
        #expect(try gitError { _ = try scratch.open().blob(blob) }.code == .corrupt)
    }
}
