import ArtifactKit
import Foundation
import CLinux
import Glibc
import Testing

@testable import Shipit

@Suite struct InstallPlanTests {
    private static let everything = "files: [{source: /, destination: /app}]"

    @Test func `files come into a folder by their name, folders with what is in them`() async throws {
        let ground = try Ground(["a.txt": "a", "d/b.txt": "b", "d/.hidden": "h", "d/e/c.txt": "c"])
        mkdir("\(ground.bundle)/d/empty", 0o700)
        try await ground.install(
            "files: [{source: a.txt, destination: /x/y}, {source: d, destination: /x}, {source: /d/e/c.txt, destination: /z}]"
        )
        #expect(
            ground.tree() == [
                "x/ 755", "x/.hidden 644 h", "x/b.txt 644 b", "x/e/ 755", "x/e/c.txt 644 c", "x/empty/ 755", "x/y/ 755",
                "x/y/a.txt 644 a", "z/ 755", "z/c.txt 644 c",
            ])
        #expect(
            ground.cleanup() == [
                "x", "x/y", "x/y/a.txt", "x/.hidden", "x/b.txt", "x/e", "x/e/c.txt", "x/empty", "z", "z/c.txt",
            ])
        #expect(ground.names(ground.state) == ["g-cleanup", "g_last_successful_install"])
    }

    @Test func `a second installation of the same revision changes nothing, and one without a file takes it away`()
        async throws
    {
        let ground = try Ground(["a": "1", "d/b": "2", "d/c": "3"])
        try await ground.install(Self.everything)
        let (tree, cleanup) = (ground.tree(), ground.cleanup())
        try await ground.install(Self.everything)
        #expect(ground.tree() == tree && ground.cleanup() == cleanup)
        try FileManager.default.removeItem(atPath: "\(ground.bundle)/d")
        try ground.write("new", "\(ground.bundle)/a")
        try await ground.install(Self.everything)
        #expect(ground.tree() == ["app/ 755", "app/a 644 new"])
    }

    @Test func `a file may become a folder and a folder a file`() async throws {
        let ground = try Ground(["a": "1", "d/b": "2"])
        try await ground.install(Self.everything)
        for name in ["a", "d"] { try FileManager.default.removeItem(atPath: "\(ground.bundle)/\(name)") }
        try ground.write("inside", "\(ground.bundle)/a/x")
        try ground.write("file", "\(ground.bundle)/d")
        try await ground.install(Self.everything)
        #expect(ground.tree() == ["app/ 755", "app/a/ 755", "app/a/x 644 inside", "app/d 644 file"])
    }

    @Test func `a foreign file keeps its folder`() async throws {
        let ground = try Ground(["d/b": "2"])
        try await ground.install(Self.everything)
        try ground.write("mine", "\(ground.root)/app/d/mine")
        try FileManager.default.removeItem(atPath: "\(ground.bundle)/d")
        try ground.write("1", "\(ground.bundle)/a")
        try await ground.install(Self.everything)
        #expect(ground.tree() == ["app/ 755", "app/a 644 1", "app/d/ 755", "app/d/mine 644 mine"])
    }

    @Test func `a file that is there already is in the way, unless it is to be replaced or kept`() async throws {
        func ground() throws -> Ground { try Ground(["a": "new", "b": "new"], root: ["app/a": "old"]) }
        let strict = try ground()
        #expect(
            strict.problems(Self.everything) == [
                "\(strict.root)/app/a is there already, and no earlier deployment brought it; file_exists_behavior: OVERWRITE replaces it, RETAIN keeps it"
            ])
        #expect(strict.tree() == ["app/ 755", "app/a 644 old"])
        // What the appspec says wins over the deployment.
        #expect(!strict.problems("file_exists_behavior: DISALLOW\n" + Self.everything, .overwrite).isEmpty)

        let replaced = try ground()
        try await replaced.install("file_exists_behavior: OVERWRITE\n" + Self.everything)
        #expect(replaced.tree() == ["app/ 755", "app/a 644 new", "app/b 644 new"])
        #expect(replaced.cleanup() == ["app/a", "app/b"])

        let kept = try ground()
        try await kept.install(Self.everything, .retain)
        #expect(kept.tree() == ["app/ 755", "app/a 644 old", "app/b 644 new"])
        // What was kept is not shipit's to remove.
        #expect(kept.cleanup() == ["app/b"])
    }

    @Test func `a folder in the place of a file takes the file in, as with the agent`() async throws {
        let ground = try Ground(["a": "new"], root: ["app/a/old": "old"])
        try await ground.install(Self.everything, .overwrite)
        #expect(ground.tree() == ["app/ 755", "app/a/ 755", "app/a/a 644 new", "app/a/old 644 old"])
        #expect(ground.cleanup() == ["app/a"])
    }

    @Test func `links to files and dead links are made anew, a link to a folder becomes a folder`() async throws {
        let ground = try Ground(["a": "1", "d/b": "2"])
        symlink("a", "\(ground.bundle)/link")
        symlink("nowhere", "\(ground.bundle)/dead")
        symlink("d", "\(ground.bundle)/folder")
        symlink("/etc/hostname", "\(ground.bundle)/outside")
        try await ground.install(Self.everything)
        #expect(
            ground.tree() == [
                "app/ 755", "app/a 644 1", "app/d/ 755", "app/d/b 644 2", "app/dead -> nowhere", "app/folder/ 755",
                "app/folder/b 644 2", "app/link -> a", "app/outside -> /etc/hostname",
            ])
    }

    @Test func `modes, times and set-user-id are those of the revision`() async throws {
        let ground = try Ground(["a": "1"])
        try ground.write("#!/bin/sh\n", "\(ground.bundle)/run", mode: 0o4755)
        var times = [timeval(tv_sec: 1_000_000, tv_usec: 0), timeval(tv_sec: 1_000_000, tv_usec: 0)]
        utimes("\(ground.bundle)/a", &times)
        try await ground.install(Self.everything)
        #expect(ground.tree() == ["app/ 755", "app/a 644 1", "app/run 4755 #!/bin/sh\n"])
        var status = stat()
        stat("\(ground.root)/app/a", &status)
        #expect(status.st_mtim.tv_sec == 1_000_000)
    }

    @Test func `all that is wrong is said at once, and nothing is touched`() async throws {
        let ground = try Ground(["a": "1", "d/b": "2", "e/b": "3"], root: ["old": "x"])
        try await ground.install("files: [{source: a, destination: /app}]")
        let before = (ground.tree(), ground.cleanup())
        symlink(".", "\(ground.bundle)/d/up")
        mkfifo("\(ground.bundle)/e/pipe", 0o644)
        let problems = ground.problems(
            """
            files:
              - {source: missing, destination: /}
              - {source: "*.txt", destination: /}
              - {source: a, destination: /old}
              - {source: d, destination: /x}
              - {source: e, destination: /x}
            permissions:
              - {object: /x, owner: nobody-of-this-name}
            """)
        #expect(
            problems == [
                "the source missing is not in the revision",
                "the source *.txt is not in the revision; names with * are not expanded",
                "\(ground.root)/old is to be a folder, and there is a file",
                "\(ground.bundle)/d/up is a link to a folder that it lies in",
                "\(ground.bundle)/d/b and \(ground.bundle)/e/b are both to be installed as \(ground.root)/x/b",
                "\(ground.bundle)/e/pipe is neither a file, a folder nor a link",
                "the owner nobody-of-this-name is no user of this machine",
            ])
        #expect(before == (ground.tree(), ground.cleanup()))
    }

    @Test func `nothing leaves the revision or the root`() async throws {
        let outside = try Ground(["secret": "s"])
        let ground = try Ground(["d/a": "1"])
        symlink(outside.bundle, "\(ground.bundle)/way")
        symlink(outside.root, "\(ground.root)/app")
        #expect(!ground.problems("files: [{source: way/secret, destination: /x}]").isEmpty)
        // For the root an absolute link begins at the root, and leads nowhere.
        #expect(
            ground.problems("files: [{source: d, destination: /app}]") == [
                "\(ground.root)/app is to be a folder, and there is a link that leads nowhere"
            ])
        // A link in the cleanup list goes itself, and not what it leads to.
        try ground.write("\(ground.root)/app\n\(ground.root)/../state\n/etc/hostname\n", "\(ground.state)/g-cleanup")
        try await ground.install("files: [{source: d, destination: /new}]")
        #expect(ground.tree() == ["new/ 755", "new/a 644 1"] && outside.names(outside.bundle) == ["secret"])
    }

    @Test func `a cleanup list whose last line was being written is read without it`() {
        let list = CleanupList(parsing: Array("/r/a\n/r/d\nsemanage\0/r/a\n/r/hal".utf8), below: "/r")
        #expect(list.entries == [.path(Array("a".utf8)), .path(Array("d".utf8)), .context(Array("a".utf8))])
        #expect(CleanupList(parsing: [], below: "").entries.isEmpty)
        #expect(CleanupList(parsing: list.bytes(below: "/r"), below: "/r") == list)
    }
}

@Suite struct InstallPermissionTests {
    @Test func `permissions change what the deployment brings and nothing else`() async throws {
        let ground = try Ground(
            ["a.sh": "1", "b.txt": "2", "d/c.sh": "3", "d/e.txt": "4"], root: ["app/old.sh": "old"])
        try await ground.install(
            """
            files: [{source: /, destination: /app}]
            permissions:
              - {object: /app, pattern: "*.sh", mode: 0755, type: [file]}
              - {object: /app, pattern: "*.txt", except: [b.txt], mode: 600, type: [file]}
              - {object: /app/d, mode: "640", type: [file]}
              - {object: /app, type: [directory], mode: 750}
              - {object: /nowhere, mode: 777}
            """)
        #expect(
            ground.tree() == [
                "app/ 755", "app/a.sh 755 1", "app/b.txt 644 2", "app/d/ 750", "app/d/c.sh 640 3", "app/d/e.txt 640 4",
                "app/old.sh 644 old",
            ])
    }

    @Test(.enabled(if: geteuid() == 0))
    func `owners are given after modes, as the agent does`() async throws {
        let ground = try Ground(["a": "1"])
        try await ground.install(
            "files: [{source: a, destination: /app}]\npermissions: [{object: /app/a, mode: 4755, owner: nobody, group: daemon}]"
        )
        var status = stat()
        stat("\(ground.root)/app/a", &status)
        #expect(status.st_uid == User.named("nobody")?.uid && status.st_gid == Group.named("daemon")?.gid)
        // The kernel takes set-user-id away with the owner.
        #expect(status.st_mode & 0o7777 == 0o755)
    }

    @Test(.enabled(if: Command.find("setfacl") != nil))
    func `access control lists are set`() async throws {
        let ground = try Ground(["a": "1"])
        try await ground.install(
            "files: [{source: a, destination: /app}]\npermissions: [{object: /app/a, mode: 640, acls: ['u:nobody:rw']}]"
        )
        let process = Process(), output = Foundation.Pipe()
        process.executableURL = URL(filePath: "/usr/bin/getfacl")
        process.arguments = ["-cp", "\(ground.root)/app/a"]
        process.standardOutput = output
        try process.run()
        process.waitUntilExit()
        let text = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        #expect(text.contains("user:nobody:rw-") && text.contains("other::---"), "\(text)")
    }

    @Test func `what cannot be is said before anything is touched`() throws {
        let ground = try Ground(["a": "1", "d/b": "2"])
        let problems = ground.problems(
            """
            files: [{source: /, destination: /app}]
            permissions:
              - {object: /app/a, pattern: "*.sh", mode: 755}
              - {object: /app/d, mode: 755}
              - {object: /app, mode: 644}
              - {object: /app, group: no-such-group}
            """)
        #expect(
            problems == [
                "permissions of \(ground.root)/app/a: that is a file, so pattern and except mean nothing",
                "the permissions of \(ground.root)/app/d/b are given more than once",
                "the group no-such-group is no group of this machine",
            ])
    }

    @Test func `through a link nothing else is changed`() async throws {
        let outside = try Ground(["victim": "v"])
        let ground = try Ground(["a": "1"])
        symlink("\(outside.bundle)/victim", "\(ground.bundle)/link")
        try await ground.install(
            "files: [{source: /, destination: /app}]\npermissions: [{object: /app, mode: 777}, {object: /app/link, mode: 777}]"
        )
        var status = stat()
        stat("\(outside.bundle)/victim", &status)
        #expect(status.st_mode & 0o777 == 0o644)
    }
}
