import ArtifactKit
import CLinux
import Foundation
import Glibc
import Testing

@testable import Shipit

/// Behaviour of the agent that no other suite has a reason to look at; see `Fixtures/aws-points.md`.
@Suite struct ParityTests {
    private func appspec(_ yaml: String) throws -> Appspec {
        try Appspec.parse(Array("version: 0.0\nos: linux\n\(yaml)".utf8), file: "appspec.yml").0
    }

    // MARK: The file

    @Test func `an appspec with nothing in it has no files, no permissions and no hooks`() throws {
        for yaml in ["", "files:\npermissions:\nhooks:\n", "files: []\npermissions: []\nhooks: {}\n"] {
            let read = try appspec(yaml)
            #expect(
                read.files.isEmpty && read.permissions.isEmpty && read.hooks.isEmpty && read.fileExistsBehavior == nil)
        }
    }

    @Test func `scripts keep their order, and each has only what it says`() throws {
        let read = try appspec(
            "hooks: {AfterInstall: [{location: b, runas: ann}, {location: a, timeout: 7}, {location: c, sudo: true}]}")
        #expect(
            read.hooks[.afterInstall] == [
                Appspec.Script(location: "b", runas: "ann"), Appspec.Script(location: "a", timeout: 7),
                Appspec.Script(location: "c", sudo: true),
            ])
    }

    @Test(arguments: [(nil, false, nil), ("ann", false, "ann"), (nil, true, "root"), ("ann", true, "ann")])
    func `sudo alone is root, and a named user wins`(runas: String?, sudo: Bool, wanted: String?) {
        #expect(Appspec.Script(location: "a", runas: runas, sudo: sudo).wantedUser == wanted)
    }

    @Test(arguments: [
        ("1777", 0o1777), ("2755", 0o2755), ("4711", 0o4711), ("7777", 0o7777), ("0", 0), ("7", 0o7), ("70", 0o70),
        ("421", 0o421),
    ])
    func `each bit of a mode is where it belongs`(text: String, mode: UInt16) throws {
        #expect(try appspec("permissions: [{object: /a, mode: \(text)}]").permissions.first?.mode == mode)
    }

    @Test func `a role in a context is refused, since nobody gives it`() {
        #expect { try appspec("permissions: [{object: /a, context: {type: t, role: r}}]") } throws: {
            "\($0)".contains("\"role\"")
        }
    }

    // MARK: Events

    @Test(arguments: [
        (["ApplicationStart"], ["DownloadBundle", "Install", "ApplicationStart"]),
        (["ApplicationStop"], ["DownloadBundle", "Install", "ApplicationStop"]),
        (["DownloadBundle", "BeforeInstall"], ["DownloadBundle", "Install", "BeforeInstall"]),
        (["BeforeInstall", "Install"], ["DownloadBundle", "BeforeInstall", "Install"]),
        (
            ["ApplicationStop", "DownloadBundle", "BeforeInstall", "Install"],
            ["ApplicationStop", "DownloadBundle", "BeforeInstall", "Install"]
        ),
        (["Custom", "AfterInstall"], ["DownloadBundle", "Install", "Custom", "AfterInstall"]),
    ])
    func `what installs is put before the events that were chosen`(chosen: [String], expected: [String]) throws {
        var request = LocalRequest(bundle: "/b", type: .directory)
        try request.choose(chosen)
        #expect(request.events.map(\.rawValue) == expected)
    }

    @Test(arguments: [
        ["Install", "DownloadBundle"], ["AfterInstall", "DownloadBundle", "Install"],
        ["DownloadBundle", "ApplicationStart", "Install"],
        ["BeforeInstall", "DownloadBundle"], ["ValidateService", "Install"],
    ])
    func `an event of the new revision cannot come before it is there`(chosen: [String]) {
        var request = LocalRequest(bundle: "/b", type: .directory)
        #expect { try request.choose(chosen) } throws: { ($0 as? ShipitError)?.code == .usage }
    }

    @Test func `the application is called as the bundle, and the group as the agent has it`() {
        let request = LocalRequest(bundle: "/b", type: .directory)
        #expect(request.application == "/b" && request.groupName == "LocalFleet")
        #expect(request.group == "default-local-deployment-group" && request.behavior == .disallow)
    }

    @Test func `without a configuration things are where shipit has them, and one that is named must be there`() throws
    {
        try #require(!FileManager.default.fileExists(atPath: LocalConfiguration.standardPath))
        #expect(try LocalConfiguration.find(nil, orIn: "/r").configuration == LocalConfiguration(root: "/r"))
        #expect { try LocalConfiguration.find("/nowhere/x.yml", orIn: "/r") } throws: {
            ($0 as? ShipitError)?.code == .usage
        }
    }

    @Test func `two events alone run, and those after the download are the new revision's`() throws {
        let ground = try Ground()
        try ground.makeBundle("one")
        #expect(try ground.deploy("-l", "bundle", "-e", "BeforeInstall,ApplicationStart").status == 0)
        #expect(ground.calls == ["BeforeInstall", "ApplicationStart"].map { "one \($0) LocalFleet" })
        unlink("\(ground.path)/calls")
        try ground.makeBundle("two")
        #expect(try ground.deploy("-l", "bundle", "-e", "ApplicationStop").status == 0)
        #expect(ground.calls == ["two ApplicationStop LocalFleet"])
    }

    @Test func `after a script that fails nothing else runs, and the error names it and the log`() throws {
        let ground = try Ground()
        try ground.makeBundle("one")
        try ground.write("#!/bin/sh\nexit 7\n", "\(ground.bundle)/scripts/AfterInstall", mode: 0o755)
        let result = try ground.deploy("-l", "bundle")
        #expect(
            result.status == 1 && result.output.contains("AfterInstall: scripts/AfterInstall failed with"), "\(result)")
        #expect(
            result.output.contains("log: \(ground.group)/") && result.output.contains("/logs/scripts.log"), "\(result)")
        #expect(ground.calls == ["one BeforeInstall LocalFleet"])
    }

    // MARK: Install

    @Test(arguments: [("DISALLOW", nil), ("OVERWRITE", "one"), ("RETAIN", "old")])
    func `what the appspec says of files that are there wins over the command`(word: String, page: String?) throws {
        let ground = try Ground(root: ["www/index.html": "old"])
        try ground.makeBundle("one", events: [], "file_exists_behavior: \(word)")
        let result = try ground.deploy("-l", "bundle", "-b", word == "OVERWRITE" ? "RETAIN" : "OVERWRITE")
        #expect(result.status == (page == nil ? 1 : 0) && ground.page == page ?? "old", "\(result)")
    }

    @Test func `a file in the way counts below folders too`() async throws {
        let ground = try Ground(["d/e/a": "new", "d/b": "new"], root: ["app/d/e/a": "old"])
        let yaml = "files: [{source: /, destination: /app}]"
        #expect(ground.problems(yaml).count == 1)
        #expect(ground.problems("files: [{source: d, destination: /app/d}]").count == 1)
        try await ground.install(yaml, .retain)
        #expect(ground.tree() == ["app/ 755", "app/d/ 755", "app/d/b 644 new", "app/d/e/ 755", "app/d/e/a 644 old"])
        #expect(ground.cleanup() == ["app/d/b"])
    }

    @Test func `nothing to install is an installation all the same`() async throws {
        let ground = try Ground(["a": "1"])
        #expect(try ground.plan("") == InstallPlan())
        try await ground.install("files: [{source: a, destination: /x}]")
        try await ground.install("files: []")
        #expect(ground.tree().isEmpty && ground.cleanup().isEmpty)
        #expect(ground.names(ground.state).contains("g_last_successful_install"))
    }

    @Test func `a folder of two entries is made once, also with a slash at its end`() throws {
        let ground = try Ground(["a": "1", "b": "2"])
        let plan = try ground.plan("files: [{source: a, destination: /x/y}, {source: b, destination: /x/y/}]")
        #expect(plan.folders.map { String(decoding: $0, as: UTF8.self) } == ["x", "x/y"] && plan.copies.count == 2)
    }

    @Test(arguments: [
        "{source: a, destination: /app}, {source: d, destination: /app/a}",
        "{source: d, destination: /app/a}, {source: a, destination: /app}",
    ])
    func `a file and a folder never share a place, whichever comes first`(files: String) throws {
        let ground = try Ground(["a": "1", "d/b": "2"])
        #expect(
            ground.problems("files: [\(files)]") == ["a file and a folder are to be installed as \(ground.root)/app/a"])
    }

    @Test func `an archive without an appspec is refused once it is unpacked`() throws {
        let ground = try Ground(["html/index.html": "one"])
        try ground.pack("/usr/bin/tar", "-cf", "b.tar", "-C", ground.bundle, ".")
        let result = try ground.deploy("-l", "b.tar", "-t", "tar")
        #expect(result.status == 1 && result.output.contains("there is no appspec.yml in the revision"), "\(result)")
    }

    @Test func `for a file pattern and except mean nothing, unless type leaves files out`() throws {
        let ground = try Ground(["a": "1"])
        func problems(_ more: String) -> Int {
            ground.problems(
                "files: [{source: a, destination: /app}]\npermissions: [{object: /app/a, mode: 644, \(more)}]"
            ).count
        }
        #expect(problems("owner: root") == 0 && problems("type: [file]") == 0 && problems("pattern: '**'") == 0)
        #expect(
            problems("pattern: '*.sh'") == 1 && problems("except: [a]") == 1
                && problems("type: [file], pattern: a") == 1)
        #expect(problems("type: [directory], pattern: a") == 0 && problems("type: [directory], except: [a]") == 0)
    }

    @Test(.enabled(if: Command.find("setfacl") != nil))
    func `a file takes access control entries, and none that are for folders`() throws {
        let ground = try Ground(["a": "1", "d/b": "2"])
        func problems(_ yaml: String) -> [String] {
            ground.problems("files: [{source: /, destination: /app}]\npermissions:\n" + yaml)
        }
        #expect(problems("  - {object: /app/a, acls: ['u:root:r']}").isEmpty)
        #expect(problems("  - {object: /app/a, acls: ['d:u:root:r']}").count == 1)
        #expect(problems("  - {object: /app, type: [directory], acls: ['d:u:root:r']}").isEmpty)
        #expect(problems("  - {object: /app, type: [file], acls: ['d:u:root:r']}").count == 2)
    }

    @Test(.enabled(if: Command.find("setfacl") != nil))
    func `setfacl that fails leaves the old files`() async throws {
        let ground = try Ground(["a": "1"])
        try await ground.install("files: [{source: a, destination: /app}]")
        try ground.write("2", "\(ground.bundle)/a")
        let before = ground.tree()
        await #expect(throws: ShipitError.self) {
            try await ground.install(
                "files: [{source: a, destination: /app}]\npermissions: [{object: /app/a, acls: ['u:nobody-of-this-name:r']}]"
            )
        }
        #expect(ground.tree() == before)
    }

    @Test(.enabled(if: geteuid() == 0)) func `an owner alone leaves the group, and a group alone the owner`()
        async throws
    {
        let ground = try Ground(["a": "1", "b": "2"])
        try await ground.install(
            "files: [{source: /, destination: /app}]\npermissions: [{object: /app/a, owner: nobody}, {object: /app/b, group: daemon}]"
        )
        func owner(_ name: String) -> [UInt32] {
            var status = stat()
            stat("\(ground.root)/app/\(name)", &status)
            return [status.st_uid, status.st_gid]
        }
        #expect(try owner("a") == [#require(User.named("nobody")).uid, getegid()])
        #expect(try owner("b") == [geteuid(), #require(Group.named("daemon")).gid])
    }

    @Test func `the plan is written down as the agent writes it, before it is carried out`() throws {
        let ground = try Ground()
        try ground.makeBundle(
            "one", events: [], "permissions: [{object: \(ground.root)/www, mode: 640, owner: nobody-of-this-name}]")
        let written = "\(ground.agent)/deployment-instructions/default-local-deployment-group-install.json"
        #expect(try ground.deploy("-l", "bundle").status == 1)
        #expect(!FileManager.default.fileExists(atPath: written))
        try ground.makeBundle("one", events: [], "permissions: [{object: \(ground.root)/www, mode: 640}]")
        // Killed before anything is in place.
        #expect(try ground.deploy("-l", "bundle", failing: "install-journalled:kill").status == 128)
        let text = String(decoding: FileManager.default.contents(atPath: written) ?? Data(), as: UTF8.self)
        let file = "\(ground.root)/www/index.html"
        #expect(text.contains(#"{"directory":"\#(ground.root)/www","type":"mkdir"}"#), "\(text)")
        #expect(
            text.contains(#""destination":"\#(file)","source":"#)
                && text.contains(#"{"file":"\#(file)","mode":"640","type":"chmod"}"#), "\(text)")
        #expect(ground.page == nil)
    }

    @Test func `every kind of instruction is JSON that says what it does`() throws {
        let ground = try Ground()
        var plan = InstallPlan(folders: [Array("d".utf8)])
        plan.copies = [
            InstallPlan.Copy(
                source: Array("a".utf8), destination: Array("d/a".utf8), recorded: [], isLink: false, replaces: false)
        ]
        var change = InstallPlan.Change(path: Array("d/a".utf8), isFolder: false)
        change.mode = 0o4755
        change.acls = [try AccessEntry("u:ann:rw")]
        change.context = SecurityContext(type: "t", user: "u", range: try SecurityRange("s0"))
        (change.owner, change.group) = ("ann", "staff")
        plan.changes = [change]
        let text = try plan.instructions(from: InstallRoot(ground.bundle), to: InstallRoot(ground.root))
        struct File: Decodable {
            struct Instruction: Decodable {
                var type: String; var mode: String?; var acl: [String]?; var owner: String?; var group: String?
            }
            var instructions: [Instruction]
        }
        let read = try JSONDecoder().decode(File.self, from: Data(text.utf8)).instructions
        #expect(read.map(\.type) == ["mkdir", "copy", "chmod", "setfacl", "semanage", "chown"])
        #expect(read.compactMap(\.mode) == ["4755"] && read.compactMap(\.acl) == [["user:ann:rw"]])
        #expect(read.last?.owner == "ann" && read.last?.group == "staff")
    }

    // MARK: What the agent leaves behind

    @Test func `a bundle's file is linked, a folder is copied, and both deployments are written down`() throws {
        let ground = try Ground()
        try ground.makeBundle("one", events: [])
        #expect(try ground.deploy("-l", "bundle").status == 0)
        let first = try #require(ground.names(ground.group).first)
        #expect(ground.names("\(ground.group)/\(first)") == ["deployment-archive", "logs"])
        #expect(ground.names("\(ground.group)/\(first)/logs").isEmpty)
        try ground.pack("/usr/bin/tar", "-cf", "b.tar", "-C", ground.bundle, ".")
        #expect(try ground.deploy("-l", "b.tar", "-t", "tar").status == 0)
        let second = try #require(ground.names(ground.group).first { $0 != first })
        let link = try FileManager.default.destinationOfSymbolicLink(atPath: "\(ground.group)/\(second)/bundle.tar")
        #expect(link == "\(ground.path)/b.tar")
        for name in ["last_successful", "most_recent"] {
            let file = "\(ground.agent)/deployment-instructions/default-local-deployment-group_\(name)_install"
            #expect(FileManager.default.contents(atPath: file) == Data("\(ground.group)/\(second)".utf8), "\(name)")
        }
    }

    @Test func `a folder for the agent's things that cannot be made is said`() throws {
        let ground = try Ground()
        try ground.makeBundle("one", events: [])
        try ground.write("a file", ground.agent)
        let result = try ground.deploy("-l", "bundle")
        #expect(result.status == 1 && result.output.contains(ground.agent), "\(result)")
        #expect(ground.page == nil)
    }

    // MARK: Scripts

    private func run(_ script: String, timeout: Int = 20, more: String = "") throws -> (Ground, Ground.Result) {
        let ground = try Ground()
        chmod(ground.path, 0o755)  // so that others can read the script
        try ground.makeBundle("one", events: ["AfterInstall"])
        let spec = Ground.spec([]).replacing("@ROOT@", with: ground.root)
        try ground.write(
            "\(spec)  AfterInstall: [{location: scripts/AfterInstall, timeout: \(timeout)\(more)}]\n",
            "\(ground.bundle)/appspec.yml")
        try ground.write(script, "\(ground.bundle)/scripts/AfterInstall", mode: 0o755)
        return (ground, try ground.deploy("-l", "bundle"))
    }

    @Test func `a script that ignores TERM is killed five seconds later`() throws {
        let began = ContinuousClock.now
        let (ground, result) = try run("#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 1; done\n", timeout: 1)
        #expect(result.status == 1 && result.output.contains("took longer than 1 seconds"), "\(result)")
        #expect(ContinuousClock.now - began < .seconds(30))
        #expect(ground.log.contains("Script - scripts/AfterInstall"))
    }

    @Test(arguments: ["sleep 100 2>/dev/null &", "sleep 100 >/dev/null &"])
    func `a child that keeps either output open is a failure, which names it`(line: String) throws {
        let (_, result) = try run("#!/bin/sh\n\(line)\nexit 0\n", timeout: 1)
        let said = result.output.contains("kept the output open") && result.output.contains("its child ")
        #expect(result.status == 1 && said && result.output.contains("hint: start it with"), "\(result)")
    }

    @Test func `a first line with a carriage return names no interpreter`() throws {
        let (ground, result) = try run("#!/bin/sh\r\necho ran\r\n")
        #expect(result.status == 1 && !ground.log.contains("[stdout]ran"), "\(result)")
    }

    @Test func `a last line without an end is a record of its own`() throws {
        let (ground, result) = try run("#!/bin/sh\nprintf one\nprintf two >&2\n")
        #expect(result.status == 0, "\(result)")
        #expect(Set(ground.log.suffix(2)) == ["[stdout]one", "[stderr]two"])
    }

    @Test(.enabled(if: geteuid() == 0)) func `a script runs as the user that it names, who is named when it fails`()
        throws
    {
        let (ground, result) = try run("#!/bin/sh\nid -un\nexit 3\n", more: ", runas: nobody")
        #expect(result.status == 1 && result.output.contains("run as user nobody failed with"), "\(result)")
        #expect(ground.log.contains("[stdout]nobody"), "\(ground.log)")
    }
}
