import ArtifactKit
import Foundation
import Glibc
import Testing

@testable import Shipit

/// A revision, a root that it is installed to, and the folder of the agent's state, all real.
final class Ground {
    let path: String

    var bundle: String { "\(path)/bundle" }
    var root: String { "\(path)/root" }
    var state: String { "\(path)/state" }

    init(_ files: [String: String] = [:], root: [String: String] = [:]) throws {
        var name = Array("\(NSTemporaryDirectory())install-XXXXXX".utf8CString)
        path = try #require(mkdtemp(&name).flatMap { realpath($0, nil) }.map { String(cString: $0) })
        for folder in [bundle, self.root, state] { mkdir(folder, 0o755) }
        for (name, text) in files { try write(text, "\(bundle)/\(name)") }
        for (name, text) in root { try write(text, "\(self.root)/\(name)") }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }  // a leftover hurts nobody

    func write(_ text: String, _ path: String, mode: mode_t = 0o644) throws {
        let url = URL(filePath: path)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
        chmod(path, mode)
    }

    func plan(_ yaml: String, _ behavior: Appspec.FileExistsBehavior = .disallow) throws -> InstallPlan {
        let spec = try Appspec.parse(Array("version: 0.0\nos: linux\n\(yaml)".utf8), file: "appspec.yml").0
        let cleanup = FileManager.default.contents(atPath: "\(state)/g-cleanup").map(Array.init) ?? []
        return try InstallPlanner.plan(
            spec, "appspec.yml", from: InstallRoot(bundle), to: InstallRoot(root), behavior: behavior,
            after: CleanupList(parsing: cleanup, below: root))
    }

    func install(_ yaml: String, _ behavior: Appspec.FileExistsBehavior = .disallow) async throws {
        _ = try await transaction(plan(yaml, behavior)).run()
    }

    func transaction(_ plan: InstallPlan) throws -> InstallTransaction {
        InstallTransaction(
            plan, from: try InstallRoot(bundle), to: try InstallRoot(root), state: try Directory(path: state),
            group: "g", id: "d-1", lastSuccessful: "/d-1")
    }

    func recover() throws {
        try InstallTransaction.recover(in: try Directory(path: state), of: "g", at: try InstallRoot(root))
    }

    /// What is wrong with a plan, without the file's name in front.
    func problems(_ yaml: String, _ behavior: Appspec.FileExistsBehavior = .disallow) -> [String] {
        do {
            _ = try plan(yaml, behavior)
            return []
        } catch let error as Diagnostics {
            return error.all.map(\.message)
        } catch {
            return ["\(error)"]
        }
    }

    /// Everything below the root: path, kind, mode and content.
    func tree() -> [String] {
        let names = FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? []
        return names.map { name in
            var status = stat()
            lstat("\(root)/\(name)", &status)
            let mode = String(status.st_mode & 0o7777, radix: 8)
            switch status.st_mode & S_IFMT {
            case S_IFDIR: return "\(name)/ \(mode)"
            case S_IFLNK:
                let target = (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(root)/\(name)")) ?? ""
                return "\(name) -> \(target)"
            default:
                let text = FileManager.default.contents(atPath: "\(root)/\(name)") ?? Data()
                return "\(name) \(mode) \(String(decoding: text, as: UTF8.self))"
            }
        }.sorted()
    }

    func cleanup() -> [String] {
        let bytes = FileManager.default.contents(atPath: "\(state)/g-cleanup") ?? Data()
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map {
            String($0.dropFirst(root.count + 1))
        }
    }

    func names(_ folder: String) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: folder))?.sorted() ?? []
    }
}

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

    @Test(.enabled(if: InstallPlanner.program("setfacl") != nil))
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

@Suite struct InstallCrashTests {
    private struct Killed: Error {}

    /// A revision of a few files and folders, whose names often stand for the other kind in the next one.
    private func fill(_ ground: Ground, _ random: inout some RandomNumberGenerator) throws {
        try? FileManager.default.removeItem(atPath: ground.bundle)  // made anew
        mkdir(ground.bundle, 0o755)
        let names = ["a", "b", "c/d", "c", "a/e", "f/g/h", "f/g", "link"]
        for name in names.shuffled(using: &random).prefix(Int.random(in: 1...5, using: &random)) {
            let path = "\(ground.bundle)/\(name)"
            let text = "\(UInt16.random(in: .min ... .max, using: &random))"
            if name == "link" {
                symlink(text, path)
            } else if !FileManager.default.fileExists(atPath: path), (try? ground.write(text, path)) == nil {
                continue  // a file stands where its folder would be
            }
        }
    }

    @Test(arguments: 0..<40)
    func `whatever is installed, and wherever it is stopped, the old files come back or the new ones are there`(
        seed: Int
    ) async throws {
        var random = Seeded(seed: UInt64(seed))
        let everything = "files: [{source: /, destination: /srv/app}]"
        let ground = try Ground(
            root: Bool.random(using: &random) ? ["srv/app/foreign": "f", "srv/app/b": "mine"] : [:])
        for _ in 0..<4 {
            try fill(ground, &random)
            let plan: InstallPlan
            do { plan = try ground.plan(everything, .overwrite) } catch is Diagnostics { continue }
            let before = (ground.tree(), ground.cleanup())
            var count = 0
            for limit in 0... {
                count = 0
                do {
                    try await ground.transaction(plan).begin {
                        count += 1
                        if count > limit { throw Killed() }
                    }
                    break
                } catch is Killed {
                    // A recovery that was itself stopped is begun anew.
                    try ground.recover()
                    #expect(before == (ground.tree(), ground.cleanup()), "seed \(seed), step \(limit)")
                    #expect(ground.names(ground.state).allSatisfy { !$0.hasPrefix(".") })
                }
            }
            try ground.recover()
            let after = ground.tree()
            #expect(!after.contains { $0.contains(".shipit-") }, "\(after)")
            for copy in plan.copies {
                let path = String(decoding: copy.destination, as: UTF8.self)
                #expect(after.contains { $0.hasPrefix("\(path) ") }, "\(path) in \(after)")
            }
            // What was installed is installed again without a change.
            try await ground.install(everything, .overwrite)
            #expect(ground.tree() == after)
        }
    }
}

@Suite struct InstallRecoveryTests {
    private struct Killed: Error {}
    private static let everything = "files: [{source: /, destination: /app}]"

    /// An installation over an older one that is killed when all old files are aside and no new one is in place.
    private func interrupted() async throws -> (ground: Ground, before: [String]) {
        let ground = try Ground(["a": "old", "b": "old", "d/c": "old"])
        try await ground.install(Self.everything)
        let before = ground.tree()
        for name in ["a", "b", "d/c"] { try ground.write("new", "\(ground.bundle)/\(name)") }
        var isOver = false
        do {
            try await ground.transaction(try ground.plan(Self.everything)).begin {
                if isOver { throw Killed() }
                isOver = !FileManager.default.fileExists(atPath: "\(ground.root)/app")
            }
        } catch is Killed {}
        #expect(ground.tree() != before)
        return (ground, before)
    }

    @Test func `what came back meanwhile stays, and everything else is put back`() async throws {
        let (ground, before) = try await interrupted()
        try ground.write("foreign", "\(ground.root)/app/b")
        let remarks = try InstallTransaction.recover(
            in: try Directory(path: ground.state), of: "g", at: try InstallRoot(ground.root))
        #expect(remarks.count == 1 && remarks[0].hasPrefix("\(ground.root)/app/b came back meanwhile"), "\(remarks)")
        let after = ground.tree().filter { !$0.contains(".shipit-") }
        #expect(after == before.map { $0 == "app/b 644 old" ? "app/b 644 foreign" : $0 })
        // A second recovery finds nothing to do.
        try ground.recover()
        #expect(ground.tree().filter { !$0.contains(".shipit-") } == after)
    }

    @Test func `a disk that is not there is waited for`() async throws {
        let (ground, before) = try await interrupted()
        rename("\(ground.root)", "\(ground.path)/unmounted")
        mkdir(ground.root, 0o755)
        #expect { try ground.recover() } throws: { "\($0)".contains("is its disk mounted?") }
        rmdir(ground.root)
        rename("\(ground.path)/unmounted", ground.root)
        try ground.recover()
        #expect(ground.tree() == before)
    }

    @Test func `two things never come to one place, by whatever way`() throws {
        let ground = try Ground(["a": "1", "sub/a": "2"], root: ["app/a/a": "foreign"])
        #expect(
            ground.problems("files: [{source: sub/a, destination: /app/a}, {source: a, destination: /app}]", .overwrite)
                == ["two things are to be installed as \(ground.root)/app/a/a"])
    }

    @Test func `a line end in a place is refused`() {
        let yaml = "version: 0.0\nos: linux\nfiles: [{source: a, destination: \"/srv/app\\n\"}]"
        #expect {
            _ = try Appspec.parse(Array(yaml.utf8), file: "appspec.yml")
        } throws: {
            "\($0)".contains("destination has a control character such as a line end in it")
        }
    }
}

/// Numbers that follow from their seed (SplitMix64).
private struct Seeded: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1 }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var number = state
        number = (number ^ (number >> 30)) &* 0xBF58_476D_1CE4_E5B9
        number = (number ^ (number >> 27)) &* 0x94D0_49BB_1331_11EB
        return number ^ (number >> 31)
    }
}
