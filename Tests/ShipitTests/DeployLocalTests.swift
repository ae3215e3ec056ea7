import Foundation
import CLinux
import Glibc
import Testing

@testable import Shipit

extension Ground {
    /// An appspec whose scripts each write their name, and what they were told, into `calls`.
    static func spec(_ events: [String] = ["BeforeInstall", "AfterInstall", "ApplicationStart"], _ more: String = "")
        -> String
    {
        let hooks = events.map { "  \($0): [{location: scripts/\($0), timeout: 20}]" }.joined(separator: "\n")
        return "version: 0.0\nos: linux\nfiles: [{source: html, destination: @ROOT@/www}]\n\(more)\nhooks:\n\(hooks)\n"
    }

    /// Every event's script, an appspec that names all of them, and a page.
    func makeBundle(_ page: String, events: [String] = LocalRequest.scripted, _ more: String = "") throws {
        try write(Self.spec(events, more).replacing("@ROOT@", with: root), "\(bundle)/appspec.yml")
        try write(page, "\(bundle)/html/index.html")
        for event in events {
            try write(
                "#!/bin/sh\necho \"\(page) $LIFECYCLE_EVENT $DEPLOYMENT_GROUP_NAME\" >>\(path)/calls\necho out; echo err >&2\n",
                "\(bundle)/scripts/\(event)", mode: 0o755)
        }
    }

    var calls: [String] {
        let text = FileManager.default.contents(atPath: "\(path)/calls").map { String(decoding: $0, as: UTF8.self) }
        return (text ?? "").split(separator: "\n").map(String.init)
    }

    var agent: String { "\(path)/agent" }
    var group: String { "\(agent)/default-local-deployment-group" }

    struct Result {
        let status: Int32
        let output: String
    }

    /// Runs the built program with the agent's folders in a scratch folder.
    func deploy(_ words: String..., failing failpoint: String? = nil) throws -> Result {
        try write("---\n:root_dir: \(agent)\n:max_revisions: 3\n:verbose: false\n", "\(path)/agent.yml")
        let process = Process(), output = Foundation.Pipe()
        process.executableURL = URL(filePath: "\(World.programs)/shipit")
        process.arguments = ["deploy-local", "-c", "\(path)/agent.yml"] + words
        process.currentDirectoryURL = URL(filePath: path)
        process.environment = ["PATH": "/usr/bin:/bin", "HOME": path, "SECRET": "s", "SHIPIT_HOME": "\(path)/home"]
        process.environment?["SHIPIT_FAILPOINT"] = failpoint
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return Result(status: process.terminationReason == .exit ? process.terminationStatus : 128, output: text)
    }

    var page: String? {
        FileManager.default.contents(atPath: "\(root)/www/index.html").map { String(decoding: $0, as: UTF8.self) }
    }

    /// Of the newest deployment, without times.
    var log: [String] {
        let newest = names(group).max {
            linuxModified("\(group)/\($0)") < linuxModified("\(group)/\($1)")
        }
        let text = newest.flatMap { FileManager.default.contents(atPath: "\(group)/\($0)/logs/scripts.log") } ?? Data()
        return String(decoding: text, as: UTF8.self).split(separator: "\n").map { String($0.dropFirst(20)) }
    }

    private func linuxModified(_ path: String) -> Double {
        var status = stat()
        stat(path, &status)
        return Double(status.st_mtim.tv_sec) + Double(status.st_mtim.tv_nsec) / 1e9
    }

    func pack(_ words: String...) throws {
        let process = Process()
        process.executableURL = URL(filePath: words[0])
        process.arguments = Array(words.dropFirst())
        process.currentDirectoryURL = URL(filePath: path)
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
    }
}

extension LocalRequest {
    fileprivate static let scripted = allEvents.filter { !LifecycleEvent.ofAgent.contains($0) }.map(\.rawValue)
}

@Suite struct DeployLocalTests {
    @Test func `a folder is installed, and its scripts run in order, those of the old revision first`() throws {
        let ground = try Ground()
        try ground.makeBundle("one")
        let first = try ground.deploy("-l", "bundle", "-d", "Fleet")
        #expect(
            first.status == 0 && first.output.contains("AppSpec file valid. Local deployment successful"), "\(first)")
        #expect(ground.page == "one")
        let new = [
            "BeforeInstall", "AfterInstall", "ApplicationStart", "ValidateService", "BeforeAllowTraffic",
            "AfterAllowTraffic",
        ]
        #expect(ground.calls == new.map { "one \($0) Fleet" })
        #expect(
            ground.log.prefix(4) == [
                "LifecycleEvent - BeforeInstall", "Script - scripts/BeforeInstall", "[stdout]out", "[stderr]err",
            ]
                || ground.log.prefix(4) == [
                    "LifecycleEvent - BeforeInstall", "Script - scripts/BeforeInstall", "[stderr]err", "[stdout]out",
                ])
        unlink("\(ground.path)/calls")
        try ground.makeBundle("two")
        #expect(try ground.deploy("-l", "bundle").status == 0)
        #expect(ground.page == "two")
        let old = ["BeforeBlockTraffic", "AfterBlockTraffic", "ApplicationStop"]
        #expect(ground.calls == old.map { "one \($0) LocalFleet" } + new.map { "two \($0) LocalFleet" })
        #expect(
            ground.names(ground.agent) == [
                "default-local-deployment-group", "deployment-instructions", "deployment-logs",
            ])
        #expect(ground.names("\(ground.agent)/deployment-logs") == ["codedeploy-agent-deployments.log"])
        #expect(ground.names(ground.group).count == 2)
    }

    @Test(arguments: ["tar", "tgz", "zip", "nested"])
    func `archives are unpacked, and a folder around everything is taken off`(kind: String) throws {
        let ground = try Ground()
        try ground.makeBundle("one", events: ["ApplicationStart"])
        let type = kind == "nested" ? "zip" : kind
        switch kind {
        case "tar": try ground.pack("/usr/bin/tar", "-cf", "b", "-C", ground.bundle, ".")
        case "tgz": try ground.pack("/usr/bin/tar", "-czf", "b", "-C", ground.bundle, ".")
        default:
            let script = "import sys, shutil; shutil.make_archive('b', 'zip', sys.argv[1], sys.argv[2])"
            let nested = kind == "nested"
            try ground.pack(
                "/usr/bin/python3", "-c", script, nested ? ground.path : ground.bundle, nested ? "bundle" : ".")
            rename("\(ground.path)/b.zip", "\(ground.path)/b")
        }
        let result = try ground.deploy("-l", "b", "-t", type)
        #expect(result.status == 0, "\(result)")
        #expect(ground.page == "one" && ground.calls == ["one ApplicationStart LocalFleet"])
        #expect(try ground.deploy("-l", "b", "-t", type == "tgz" ? "zip" : "tgz").status == 1 || type == "tar")
    }

    @Test func `an archive never writes outside, whatever it says`() throws {
        let ground = try Ground()
        let script = """
            import tarfile, io
            t = tarfile.open('b', 'w')
            def add(name, **more):
                i = tarfile.TarInfo(name)
                for key, value in more.items(): setattr(i, key, value)
                t.addfile(i, io.BytesIO(b'x' * i.size))
            add('link', type=tarfile.SYMTYPE, linkname='\(ground.path)')
            add('link/planted', size=1)
            t.close()
            """
        try ground.pack("/usr/bin/python3", "-c", script)
        #expect(try ground.deploy("-l", "b", "-t", "tar").status == 1)
        #expect(!ground.names(ground.path).contains("planted"))
        try ground.pack("/usr/bin/python3", "-c", script.replacing("'link/planted'", with: "'../../../../planted'"))
        let result = try ground.deploy("-l", "b", "-t", "tar")
        #expect(result.status == 1 && !ground.names(ground.agent).contains("planted"), "\(result)")
    }

    @Test func `some events alone run, also one that only the revision knows`() throws {
        let ground = try Ground()
        try ground.makeBundle("one", events: ["BeforeInstall", "ApplicationStart", "CustomEvent"])
        // Otherwise a name that nobody knows is a mistake.
        let unknown = try ground.deploy("-l", "bundle")
        #expect(unknown.status == 1 && unknown.output.contains("unknown lifecycle event CustomEvent"), "\(unknown)")
        #expect(try ground.deploy("-l", "bundle", "-e", "ApplicationStart,CustomEvent").status == 0)
        #expect(ground.calls == ["one ApplicationStart LocalFleet", "one CustomEvent LocalFleet"])
        let absent = try ground.deploy("-l", "bundle", "-e", "OtherEvent,CustomEvent")
        #expect(absent.status == 1 && absent.output.contains("the event OtherEvent is not in appspec.yml"), "\(absent)")
        let early = try ground.deploy("-l", "bundle", "-e", "BeforeInstall,DownloadBundle")
        #expect(
            early.status == 1 && early.output.contains("BeforeInstall cannot come before DownloadBundle"), "\(early)")
    }

    @Test func `a conflict or a missing source leaves everything as it was`() throws {
        let ground = try Ground(root: ["www/index.html": "old"])
        try ground.makeBundle("one", events: [])
        let conflict = try ground.deploy("-l", "bundle")
        #expect(conflict.status == 1 && conflict.output.contains("www/index.html is there already"), "\(conflict)")
        #expect(ground.page == "old")
        #expect(try ground.deploy("-l", "bundle", "-b", "retain").status == 0)
        #expect(ground.page == "old")
        #expect(try ground.deploy("-l", "bundle", "-b", "OVERWRITE").status == 0)
        #expect(ground.page == "one")
        try ground.makeBundle("two", events: [], "permissions: [{object: \(ground.root)/www, owner: nobody-here}]")
        #expect(try ground.deploy("-l", "bundle").status == 1)
        #expect(ground.page == "one")
    }

    @Test func `a stop script that fails names the way on, and can be left out`() throws {
        let ground = try Ground()
        try ground.makeBundle("one")
        try ground.write("#!/bin/sh\nexit 3\n", "\(ground.bundle)/scripts/ApplicationStop", mode: 0o755)
        #expect(try ground.deploy("-l", "bundle").status == 0)
        try ground.makeBundle("two")
        let wedged = try ground.deploy("-l", "bundle")
        #expect(wedged.status == 1 && wedged.output.contains("--ignore-application-stop-failures"), "\(wedged)")
        #expect(ground.page == "one")
        #expect(try ground.deploy("-l", "bundle", "--ignore-application-stop-failures").status == 0)
        #expect(ground.page == "two")
    }

    @Test func `a script of the old revision whose folder is gone is left out`() throws {
        let ground = try Ground()
        try ground.makeBundle("one")
        #expect(try ground.deploy("-l", "bundle").status == 0)
        try FileManager.default.removeItem(atPath: ground.group)
        let result = try ground.deploy("-l", "bundle")
        #expect(result.status == 0 && result.output.contains("ApplicationStop is left out"), "\(result)")
    }

    @Test func `what is installed counts from the end of Install, whatever its scripts do then`() throws {
        let ground = try Ground()
        try ground.makeBundle("one", events: ["ApplicationStop", "ApplicationStart"])
        try ground.write("#!/bin/sh\nexit 1\n", "\(ground.bundle)/scripts/ApplicationStart", mode: 0o755)
        let failed = try ground.deploy("-l", "bundle")
        #expect(
            failed.status == 1 && failed.output.contains("ApplicationStart: scripts/ApplicationStart failed"),
            "\(failed)")
        try ground.makeBundle("two", events: ["ApplicationStop", "ApplicationStart"])
        #expect(try ground.deploy("-l", "bundle").status == 0)
        #expect(ground.calls == ["one ApplicationStop LocalFleet", "two ApplicationStart LocalFleet"])
    }

    @Test func `scripts get the documented variables and little else, nothing to read, and the caller's folder`() throws
    {
        let ground = try Ground()
        try ground.makeBundle("one", events: ["ApplicationStart"])
        try ground.write(
            "env | sort >\(ground.path)/env; pwd >\(ground.path)/pwd; cat >\(ground.path)/input; printf unfinished\n",
            "\(ground.bundle)/scripts/ApplicationStart")
        #expect(try ground.deploy("-l", "bundle", "-a", "App", "-g", "id").status == 0)
        let text = String(decoding: FileManager.default.contents(atPath: "\(ground.path)/env") ?? Data(), as: UTF8.self)
        let names = Set(text.split(separator: "\n").compactMap { $0.split(separator: "=").first.map(String.init) })
        #expect(
            names == [
                "PATH", "HOME", "LANG", "PWD", "SWIFT_BACKTRACE", "SHIPIT_MARK", "APPLICATION_NAME", "DEPLOYMENT_ID",
                "DEPLOYMENT_GROUP_ID", "DEPLOYMENT_GROUP_NAME", "LIFECYCLE_EVENT",
            ], "\(text)")
        #expect(text.contains("APPLICATION_NAME=App\n") && text.contains("DEPLOYMENT_GROUP_ID=id\n"))
        #expect(FileManager.default.contents(atPath: "\(ground.path)/pwd") == Data("\(ground.path)\n".utf8))
        #expect(FileManager.default.contents(atPath: "\(ground.path)/input") == Data())
    }

    @Test func `as many deployments stay as the configuration says`() throws {
        let ground = try Ground()
        try ground.makeBundle("one", events: [])
        for _ in 1...5 { #expect(try ground.deploy("-l", "bundle").status == 0) }
        #expect(ground.names(ground.group).count == 3)
    }

    @Test func `an appspec of another name is found, one that is not there is said`() throws {
        let ground = try Ground()
        try ground.makeBundle("one", events: [])
        rename("\(ground.bundle)/appspec.yml", "\(ground.bundle)/appspec.yaml")
        #expect(try ground.deploy("-l", "bundle").status == 0)
        rename("\(ground.bundle)/appspec.yaml", "\(ground.bundle)/custom.yml")
        #expect(try ground.deploy("-l", "bundle").status == 1)
        #expect(try ground.deploy("-l", "bundle", "-A", "custom.yml").status == 0)
        let absent = try ground.deploy("-l", "bundle", "-A", "other.yml")
        #expect(absent.status == 1 && absent.output.contains("there is no other.yml"), "\(absent)")
    }

    @Test(arguments: [
        ["-l", "nowhere"], ["-l", "bundle", "-t", "tgz"], ["-l", "bundle/appspec.yml"],
        ["-l", "http://example.org/a", "-t", "tgz"],
        ["-l", "bundle", "-t", "rar"], ["-l", "bundle", "-b", "NEVER"], ["-l", "bundle", "-g", "../x"],
        ["-l", "html"],
    ])
    func `wrong words end with 1 and change nothing`(words: [String]) throws {
        let ground = try Ground()
        try ground.makeBundle("one", events: [])
        try ground.write("x", "\(ground.path)/html/index.html")
        let result = try ground.deploy(
            words[0], words[1], words.count > 2 ? words[2] : "-d", words.count > 3 ? words[3] : "x")
        #expect(result.status == 1 && result.output.contains("error: "), "\(result)")
        #expect(ground.page == nil)
    }

    @Test func `a revision with a custom event does not stand in the way of the next one without`() throws {
        let ground = try Ground()
        try ground.makeBundle("one", events: ["ApplicationStart", "CustomEvent"])
        #expect(try ground.deploy("-l", "bundle", "-e", "ApplicationStart,CustomEvent").status == 0)
        try ground.makeBundle("two", events: ["ApplicationStart"])
        let next = try ground.deploy("-l", "bundle")
        #expect(next.status == 0 && ground.page == "two", "\(next)")
    }

    @Test func `a script that is missing later is said before anything is installed`() throws {
        let ground = try Ground()
        try ground.makeBundle("one", events: ["BeforeInstall", "AfterInstall"])
        unlink("\(ground.bundle)/scripts/AfterInstall")
        let result = try ground.deploy("-l", "bundle")
        #expect(
            result.status == 1 && result.output.contains("AfterInstall: scripts/AfterInstall is not in the revision"))
        #expect(ground.page == nil)
    }

    @Test func `a script may be a link inside the revision, and not one out of it`() throws {
        let ground = try Ground()
        try ground.makeBundle("one", events: ["ApplicationStart"])
        rename("\(ground.bundle)/scripts/ApplicationStart", "\(ground.bundle)/common.sh")
        symlink("../common.sh", "\(ground.bundle)/scripts/ApplicationStart")
        #expect(try ground.deploy("-l", "bundle").status == 0)
        #expect(ground.calls == ["one ApplicationStart LocalFleet"])
        rename("\(ground.bundle)/common.sh", "\(ground.path)/outside.sh")
        unlink("\(ground.bundle)/scripts/ApplicationStart")
        symlink("\(ground.path)/outside.sh", "\(ground.bundle)/scripts/ApplicationStart")
        #expect(try ground.deploy("-l", "bundle").status == 1)
        #expect(ground.calls.count == 1)
    }

    @Test func `a server of one script survives another that is stopped`() throws {
        let ground = try Ground()
        try ground.makeBundle("one", events: ["ApplicationStart"])
        try ground.write(
            """
            version: 0.0
            os: linux
            hooks:
              ApplicationStart:
                - location: serve
                - {location: hang, timeout: 1}
            """, "\(ground.bundle)/appspec.yml")
        try ground.write(
            "#!/bin/sh\nsetsid sleep 60 </dev/null >/dev/null 2>&1 &\necho $! >\(ground.path)/pid\n",
            "\(ground.bundle)/serve", mode: 0o755)
        try ground.write("#!/bin/sh\nsleep 60\n", "\(ground.bundle)/hang", mode: 0o755)
        let result = try ground.deploy("-l", "bundle")
        #expect(result.status == 1 && result.output.contains("hang took longer than 1 seconds"), "\(result)")
        let text = String(decoding: FileManager.default.contents(atPath: "\(ground.path)/pid") ?? Data(), as: UTF8.self)
        let pid = try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)))
        #expect(kill(pid, SIGKILL) == 0)
    }

    @Test func `deployments that failed do not keep more than may stay`() throws {
        let ground = try Ground()
        try ground.makeBundle("one", events: [])
        #expect(try ground.deploy("-l", "bundle").status == 0)
        let live = ground.names(ground.group)
        try ground.makeBundle("two", events: ["BeforeInstall"])
        try ground.write("#!/bin/sh\nexit 1\n", "\(ground.bundle)/scripts/BeforeInstall", mode: 0o755)
        for _ in 1...4 { #expect(try ground.deploy("-l", "bundle").status == 1) }
        let left = ground.names(ground.group)
        #expect(left.count == 3 && left.contains(live[0]))
    }

    @Test func `names in a zip may have any letters`() throws {
        let ground = try Ground()
        try ground.makeBundle("one", events: [])
        try ground.write("é", "\(ground.bundle)/html/Größe.txt")
        let script = "import sys, shutil; shutil.make_archive('b', 'zip', sys.argv[1])"
        try ground.pack("/usr/bin/python3", "-c", script, ground.bundle)
        let result = try ground.deploy("-l", "b.zip", "-t", "zip")
        #expect(result.status == 0 && ground.tree().contains("www/Größe.txt 644 é"), "\(result) \(ground.tree())")
    }
}
