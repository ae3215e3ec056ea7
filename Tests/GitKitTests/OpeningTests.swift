import Foundation
@testable import GitKit
import Glibc
import Testing

@Suite struct OpeningTests {
    @Test func `an empty bare repository opens with an unborn head`() throws {
        let scratch = try ScratchRepository()
        let repository = try scratch.open()
        #expect(repository.isBare)
        #expect(!repository.isShallow)
        #expect(try repository.path == Self.realPath(scratch.path))
        #expect(try repository.head == ReferenceName("refs/heads/main"))
        #expect(try repository.target(of: ReferenceName("HEAD")) == nil)
        #expect(try repository.references(under: "refs/").isEmpty)
    }

    @Test func `a worktree's path opens its git folder`() throws {
        let scratch = try ScratchRepository(bare: false)
        let repository = try scratch.open()
        #expect(!repository.isBare)
        #expect(repository.path.hasSuffix("/repository/.git"))
    }

    @Test func `a linked worktree shares references with its repository`() throws {
        let scratch = try ScratchRepository()
        let commit = try scratch.commit(["a": "1"])
        try scratch.git("update-ref", "refs/heads/main", commit.hex)
        try scratch.git("worktree", "add", "-q", "-b", "side", scratch.folder + "/linked")
        let repository = try Repository(at: scratch.folder + "/linked")
        #expect(try repository.target(of: ReferenceName("refs/heads/main")) == commit)
        #expect(try repository.head == ReferenceName("refs/heads/side"))
    }

    @Test func `a symbolic link leads to the real path`() throws {
        let scratch = try ScratchRepository()
        symlink(scratch.path, scratch.folder + "/link")
        #expect(try Repository(at: scratch.folder + "/link").path == Self.realPath(scratch.path))
    }

    @Test func `a folder inside a repository is not one, and no search climbs out of it`() throws {
        let scratch = try ScratchRepository(bare: false)
        mkdir(scratch.path + "/inside", 0o755)
        let error = try gitError { _ = try Repository(at: scratch.path + "/inside") }
        #expect(error.code == .notFound)
        #expect(error.reason == "it is not a git repository")
    }

    @Test func `a missing folder says how to make one`() throws {
        let error = try gitError { _ = try Repository(at: "/nowhere/blog.git") }
        #expect(
            error.description == """
                could not open the repository at /nowhere/blog.git: no such file or directory
                  hint: shipit init /nowhere/blog.git makes one
                """)
    }

    @Test(arguments: [
        ("objectFormat", "sha256", "objectFormat = sha256"), ("refStorage", "reftable", "refStorage = reftable"),
        ("partialClone", "origin", "partialClone = origin"), ("fancyThing", "true", "fancything"),
    ])
    func `an extension that libgit2 cannot read is named with what to do`(
        key: String, value: String, shown: String
    ) throws {
        let scratch = try ScratchRepository()
        let config = scratch.path + "/config"
        let text = try String(contentsOfFile: config, encoding: .utf8)
            .replacing("repositoryformatversion = 0", with: "repositoryformatversion = 1")
        try (text + "[extensions]\n\t\(key) = \(value)\n").write(toFile: config, atomically: true, encoding: .utf8)
        let error = try gitError { _ = try scratch.open() }
        #expect(error.code == .unsupportedExtension)
        #expect(error.reason.hasPrefix("it uses the extension \(shown), which "))
        #expect(error.hint?.isEmpty == false)
    }

    @Test(arguments: [
        "preciousObjects = true", "worktreeConfig = true", "relativeWorktrees = true", "objectFormat = sha1",
        "refStorage = files", "noop = 1",
    ])
    func `an extension that changes nothing for a reader is no obstacle`(line: String) throws {
        let scratch = try ScratchRepository()
        let commit = try scratch.commit(["a": "1"])
        try scratch.git("update-ref", "refs/heads/main", commit.hex)
        let config = scratch.path + "/config"
        let text = try String(contentsOfFile: config, encoding: .utf8)
            .replacing("repositoryformatversion = 0", with: "repositoryformatversion = 1")
        try (text + "[extensions]\n\t\(line)\n").write(toFile: config, atomically: true, encoding: .utf8)
        #expect(try scratch.open().target(of: ReferenceName("refs/heads/main")) == commit)
    }

    @Test func `a real sha256 repository is refused by name`() throws {
        let scratch = try ScratchRepository(arguments: ["--object-format=sha256"])
        #expect(try gitError { _ = try scratch.open() }.reason.contains("objectFormat = sha256"))
    }

    @Test func `a newer format version is refused`() throws {
        let scratch = try ScratchRepository()
        try scratch.git("config", "core.repositoryFormatVersion", "2")
        #expect(try gitError { _ = try scratch.open() }.code == .unsupportedExtension)
    }

    @Test func `only the repository's own config is read`() throws {
        let scratch = try ScratchRepository()
        try scratch.git("config", "shipit.app", "blog")
        try scratch.git("config", "--add", "shipit.app", "shop")
        try "[shipit]\n\tglobal = yes\n".write(
            toFile: scratch.folder + "/.gitconfig", atomically: true, encoding: .utf8)
        let repository = try scratch.open()
        #expect(try repository.config("shipit.app") == "shop")
        #expect(try repository.config("shipit.global") == nil)
        #expect(try repository.config("user.name") == nil)
        #expect(throws: GitError.self) { try repository.config("nonsense") }
        try scratch.git("config", "shipit.later", "seen")
        #expect(try repository.config("shipit.later") == "seen")
    }

    @Test func `an include of the user's home is not followed, and is no obstacle`() throws {
        let scratch = try ScratchRepository()
        try scratch.git("config", "include.path", "~/none")
        try scratch.git("config", "includeIf.gitdir:/.path", "none")
        try scratch.git("config", "shipit.app", "blog")
        #expect(try scratch.open().config("shipit.app") == "blog")
    }

    @Test(.enabled(if: geteuid() == 0, "only root can give a repository away"))
    func `another user's repository opens for root, and root's for anyone`() throws {
        let scratch = try ScratchRepository()
        try ScratchRepository.run(["chown", "-R", "12345", scratch.path], in: scratch.folder)
        _ = try scratch.open()
        let error = try gitError { _ = try RepositoryLocation(at: scratch.path, user: 23456) }
        #expect(error.code == .notOwned)
        #expect(error.reason == "it belongs to user 12345, and this is user 23456")
        #expect(error.hint?.contains("run as user 12345") == true)
        _ = try RepositoryLocation(at: scratch.path, user: 12345)
        try ScratchRepository.run(["chown", "-R", "0", scratch.path], in: scratch.folder)
        _ = try RepositoryLocation(at: scratch.path, user: 12345)
    }

    private static func realPath(_ path: String) throws -> String {
        let resolved = try #require(realpath(path, nil))
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
