import Foundation
import Glibc
import Testing

@testable import Shipit

extension World {
    /// A release whose files are to be seen at `place`, with scripts by event.
    fileprivate func viewed(
        at place: String, _ scripts: [String: String], files: [String: String] = ["index.html": "one"],
        more: String = ""
    ) -> [String: String] {
        var appspec = "version: 0.0\nos: linux\nfiles:\n  - {source: site, destination: \(place)}\n\(more)hooks:\n"
        var all = Dictionary(uniqueKeysWithValues: files.map { ("site/\($0.key)", $0.value) })
        for (event, script) in scripts.sorted(by: { $0.key < $1.key }) {
            appspec += "  \(event): [{location: hooks/\(event), timeout: 60}]\n"
            all["hooks/\(event)"] = "#!/bin/sh\n\(script)\n"
        }
        all["appspec.yml"] = appspec
        return all
    }

    fileprivate func live(_ target: String, _ file: String, at place: String) -> String? {
        read("\(target)/current\(place)/\(file)")
    }
}

@Suite struct ViewTests {
    private static let every = ["AfterInstall", "ApplicationStart", "ValidateService", "ApplicationStop"]

    @Test func `hook scripts see the release where its appspec has it, and nobody else does`() async throws {
        let world = try await World()
        let place = "\(world.path)/opt/app"
        let scripts = Dictionary(
            uniqueKeysWithValues: Self.every.map {
                ($0, "echo \"\($0) $(cat \(place)/index.html)\" >>\(world.path)/seen")
            })
        try world.must(await world.ship(world.viewed(at: place, scripts)).result)
        #expect(world.read("\(world.path)/seen") == "AfterInstall one\nApplicationStart one\nValidateService one\n")
        #expect(world.names(in: place).isEmpty, "outside it is an empty folder")
        #expect(world.live(world.staging, "index.html", at: place) == "one")
        try world.must(await world.ship(["site/index.html": "two"]).result)
        #expect(world.read("\(world.path)/seen")?.contains("ApplicationStop one\nAfterInstall two\n") ?? false)
        #expect(await world.shipit("fsck").status == 0)
        try await world.settled()
    }

    @Test func `what scripts change there is changed in the release`() async throws {
        let world = try await World()
        let place = "\(world.path)/opt/app"
        try world.must(
            await world.ship(world.viewed(at: place, ["AfterInstall": "echo made >\(place)/made.txt"])).result)
        #expect(world.live(world.staging, "made.txt", at: place) == "made\n")
        #expect(world.names(in: place).isEmpty)
        try await world.settled()
    }

    @Test func `BeforeInstall meets an empty folder, and what it leaves there goes into the release`() async throws {
        let world = try await World()
        let place = "\(world.path)/opt/app"
        let script = "rm -rf \(place) && mkdir -p \(place)/keep && echo left >\(place)/keep/left.txt"
        let files = world.viewed(
            at: place, ["BeforeInstall": script], files: ["index.html": "one", "keep/own.txt": "own"])
        try world.must(await world.ship(files).result)
        #expect(world.live(world.staging, "keep/left.txt", at: place) == "left\n")
        #expect(world.live(world.staging, "keep/own.txt", at: place) == "own")
        #expect(world.names(in: place).isEmpty)
        let conflict = ["hooks/BeforeInstall": "#!/bin/sh\necho mine >\(place)/index.html\n"]
        let refused = try await world.ship(conflict).result
        #expect(
            refused.text.contains("BeforeInstall left \(place)/index.html, and the revision has a file of that name"))
        #expect(world.live(world.staging, "keep/left.txt", at: place) == "left\n", "the old release is live")
        #expect(world.names(in: place).isEmpty, "the failed one left nothing behind")
        try await world.settled()
    }

    @Test(arguments: [("OVERWRITE", "one"), ("RETAIN", "mine\n")])
    func `a name that both have is the appspec's to decide`(behavior: String, content: String) async throws {
        let world = try await World()
        let place = "\(world.path)/opt/app"
        let files = world.viewed(
            at: place, ["BeforeInstall": "echo mine >\(place)/index.html"], more: "file_exists_behavior: \(behavior)\n")
        try world.must(await world.ship(files).result)
        #expect(world.live(world.staging, "index.html", at: place) == content)
        try await world.settled()
    }

    @Test func `a destination that has files of the machine is refused before anything runs`() async throws {
        let world = try await World()
        let place = "\(world.path)/opt/app"
        try world.write("the machine's", to: "\(place)/own.conf")
        let files = world.viewed(at: place, ["BeforeInstall": "touch \(world.path)/ran"])
        let refused = try await world.ship(files).result
        #expect(refused.text.contains("\(place) has files of this machine in it"), "\(refused.text)")
        #expect(refused.text.contains("layout: in-place") || world.log(1).contains("layout: in-place"))
        #expect(!world.exists("\(world.path)/ran") && world.names(in: place) == ["own.conf"])
        try world.setPolicy(
            environments: "environments: [{name: staging, targets: [\(world.staging)], view: off}]")
        try world.must(await world.ship().result)
        #expect(world.exists("\(world.path)/ran") && world.live(world.staging, "index.html", at: place) == "one")
        try await world.settled()
    }

    @Test(.enabled(if: geteuid() == 0, "only root makes what another may not"))
    func `nothing is made or moved that the owner of the target could not make or move`() async throws {
        let world = try await World()
        mkdir(world.targets, 0o755)
        mkdir(world.staging, 0o755)
        chown(world.staging, 65534, 65534)
        let closed = "\(world.path)/closed/ssh.service.d"
        mkdir("\(world.path)/closed", 0o755)
        let refused = try await world.ship(world.viewed(at: closed, ["AfterInstall": "true"])).result
        #expect(refused.text.contains("could not make \(closed)"), "\(refused.text)")
        #expect(world.log(1).contains("install -d -o nobody \(closed)") && !world.exists(closed))

        let open = "\(world.path)/open", victim = "\(world.path)/victim"
        mkdir(open, 0o755)
        chown(open, 65534, 65534)
        try world.write("precious", to: "\(victim)/shadow", mode: 0o600)
        chmod(victim, 0o700)
        let swaps = ["BeforeInstall": "rmdir \(open)/app && ln -s \(victim) \(open)/app"]
        let swapped = try await world.ship(world.viewed(at: "\(open)/app", swaps)).result
        #expect(swapped.text.contains("put something else in the place of the folder \(open)/app"))
        #expect(world.names(in: victim) == ["shadow"])
        unlink("\(open)/app")

        let looks = "grep NoNewPrivs /proc/self/status >\(open)/seen; env | grep ^LD_ >>\(open)/seen"
        try world.must(await world.shipit("env", "set", "staging", "LD_LIBRARY_PATH=/nowhere"))
        var files = world.viewed(at: "\(open)/app", ["AfterInstall": looks])
        files["hooks/BeforeInstall"] = ""
        try world.must(await world.ship(files).result)
        #expect(world.read("\(open)/seen") == "NoNewPrivs:\t1\nLD_LIBRARY_PATH=/nowhere\n")
        try await world.settled()
    }

    @Test func `setpriv itself gets no variable that tells the loader what to do`() {
        let user = User(name: "ann", uid: 65534, gid: 65534, home: "/")
        let command = Command(
            "/bin/true", ["x"], environment: ["LD_PRELOAD": "/a.so", "LOCPATH": "/b", "PATH": "/bin"], as: user)
        let changed = Program.asUser(command)
        #expect(geteuid() != 0 || changed.environment == ["PATH": "/bin"])
        let end = ["--", "/usr/bin/env", "LD_PRELOAD=/a.so", "LOCPATH=/b", "/bin/true", "x"]
        #expect(Array(changed.arguments.suffix(6)) == end)
    }

    @Test func `validate says beforehand what scripts would not see`() async throws {
        let world = try await World()
        let place = "\(world.path)/opt/app"
        try await world.commit(world.viewed(at: place, ["ApplicationStart": "systemctl restart app"]))
        await world.push("-o", "detach", "main:refs/heads/other")
        let fine = await world.shipit("validate", "other")
        #expect(fine.status == 0, "\(fine.text)")
        #expect(fine.text.contains("hooks/ApplicationStart calls systemctl: what systemd starts in staging"))
        #expect(fine.text.contains("point its unit at \(world.staging)/current\(place)"))
        try world.write("the machine's", to: "\(place)/own.conf")
        let refused = await world.shipit("validate", "other")
        #expect(refused.status == 65, "\(refused.text)")
        #expect(refused.text.contains("in production hook scripts cannot see the release at \(place)"))
        try await world.settled()
    }

    @Test func `a destination around the target is refused`() async throws {
        let world = try await World()
        let refused = try await world.ship(world.viewed(at: world.targets, ["AfterInstall": "true"])).result
        #expect(refused.text.contains("lie inside one another"), "\(refused.text)")
        try await world.settled()
    }

    @Test func `shared links lead to the same place inside the view`() async throws {
        let world = try await World()
        let place = "\(world.path)/opt/app"
        try world.setPolicy(
            environments:
                "environments: [{name: staging, targets: [\(world.staging)], shared: [\(place.dropFirst())/uploads/]}]")
        let script = "echo kept >>\(place)/uploads/kept.txt"
        try world.must(await world.ship(world.viewed(at: place, ["ApplicationStart": script])).result)
        try world.must(await world.ship(["site/index.html": "two"]).result)
        #expect(world.read("\(world.staging)/shared\(place)/uploads/kept.txt") == "kept\nkept\n")
        try await world.settled()
    }

    @Test func `two environments share one place, and each sees its own release there`() async throws {
        let world = try await World()
        let place = "\(world.path)/opt/app"
        let scripts = [
            "BeforeInstall": "sleep 0.2; echo $SHIPIT_ENVIRONMENT >\(place)/made-before",
            "ApplicationStart": "echo \"$SHIPIT_ENVIRONMENT $(cat \(place)/made-before)\" >>\(world.path)/seen",
        ]
        try world.must(await world.ship(world.viewed(at: place, scripts)).result)
        try world.must(await world.shipit("promote"))
        #expect(world.read("\(world.path)/seen") == "staging staging\nproduction production\n")
        #expect(world.live(world.staging, "made-before", at: place) == "staging\n")
        #expect(world.live(world.production, "made-before", at: place) == "production\n")
        try await world.settled()
    }

    @Test func `two targets may have their files at one place`() async throws {
        let world = try await World(
            environments: "environments: [{name: staging, targets: [@TARGETS@/a, @TARGETS@/b]}]")
        let place = "\(world.path)/opt/app"
        let scripts = [
            "BeforeInstall": "echo $SHIPIT_TARGET >\(place)/made-before",
            "ApplicationStart": "cat \(place)/made-before >>\(world.path)/seen",
        ]
        try world.must(await world.ship(world.viewed(at: place, scripts)).result)
        #expect(world.read("\(world.path)/seen") == "\(world.targets)/a\n\(world.targets)/b\n")
        try await world.settled()
    }

    @Test func `who uses a place waits for whoever else does, and can be told to stop waiting`() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "shipit-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }  // a leftover hurts nobody
        var first: StubLocks? = try await StubLocks(["/a", "/b"], in: folder, nil) { _ in }
        let cancellation = Cancellation()
        await #expect(throws: CancellationError.self) {
            _ = try await StubLocks(["/b"], in: folder, cancellation) { reason in
                #expect(reason == "another deployment uses /b")
                cancellation.cancel()
            }
        }
        withExtendedLifetime(first) {}
        first = nil
        _ = try await StubLocks(["/b"], in: folder, nil) { _ in Issue.record("nobody has it any more") }
    }

    @Test func `another app's target is no place for a release`() async throws {
        let world = try await World()
        let files = world.viewed(at: "\(world.production)/current", ["AfterInstall": "true"])
        let refused = try await world.ship(files).result
        #expect(refused.text.contains("which is shipit's to fill"), "\(refused.text)")
        #expect(!world.exists(world.production))
        try await world.settled()
    }

    @Test func `what is left on the folder is taken away when policy leaves the rest as it is`() async throws {
        let world = try await World(
            environments: "environments: [{name: staging, targets: [@TARGETS@/staging], on_failure: stop}]")
        let place = "\(world.path)/opt/app"
        _ = try await world.ship(world.viewed(at: place, ["BeforeInstall": "touch \(place)/left; exit 1"]))
        #expect(try await world.status(of: 1) == "failed" && world.names(in: place).isEmpty)
        try world.must(await world.ship(["hooks/BeforeInstall": "#!/bin/sh\n"]).result)
        #expect(world.live(world.staging, "index.html", at: place) == "one")
        try await world.settled()
    }

    @Test func `what ApplicationStart leaves running keeps its view`() async throws {
        let world = try await World()
        let place = "\(world.path)/opt/app"
        let serve = """
            #!/bin/sh
            trap 'exit 0' TERM
            while [ ! -e \(world.path)/stop ]; do
                if [ -e \(world.path)/ask ]; then cat \(place)/index.html >\(world.path)/answer.new
                    mv \(world.path)/answer.new \(world.path)/answer; rm \(world.path)/ask; fi
                sleep 0.05
            done
            """
        var files = world.viewed(
            at: place,
            [
                "ApplicationStart":
                    "[ -e \(world.path)/started ] || \(place)/serve </dev/null >/dev/null 2>&1 &\ntouch \(world.path)/started"
            ])
        files["site/serve"] = serve
        try world.must(await world.ship(files).result)
        for text in ["two", "three"] { try world.must(await world.ship(["site/index.html": text]).result) }
        try world.write("", to: "\(world.path)/ask")
        try await eventually("the service answers") { world.exists("\(world.path)/answer") }
        #expect(world.read("\(world.path)/answer") == "one", "its own release, not the newer one")
        try world.write("", to: "\(world.path)/stop")
        try await world.settled()
    }

    @Test func `a worker that is killed in BeforeInstall leaves the folder empty and ships in the end`() async throws {
        let world = try await World()
        let place = "\(world.path)/opt/app"
        try world.write("", to: "\(world.home)/systemd")
        try await world.commit(world.viewed(at: place, ["BeforeInstall": "echo made >\(place)/made.txt"]))
        await world.push("-o", "detach", "main")
        let killed = await world.shipit("work", environment: ["SHIPIT_FAILPOINT": "deploy-scripts-ran:kill"])
        #expect(killed.status == 128 + SIGKILL)
        #expect(world.names(in: place) == ["made.txt"])
        try world.must(await world.shipit("work"))
        #expect(world.names(in: place).isEmpty)
        #expect(world.live(world.staging, "made.txt", at: place) == "made\n")
        try await world.settled()
    }
}

@Suite struct ViewOfOthersTests {
    /// Whether somebody else than root can start the built program, which may lie in a folder that is closed to others.
    private static let mayStart: Bool = {
        guard geteuid() == 0, access("/usr/bin/bwrap", X_OK) == 0 else { return false }
        return status(["/usr/bin/setpriv"] + nobody + ["\(World.programs)/shipit", "--version"]) == 0
    }()

    private static let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"]

    private static func status(_ words: [String]) -> Int32 {
        let process = Process()
        process.executableURL = URL(filePath: words[0])
        process.arguments = Array(words.dropFirst())
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        do { try process.run() } catch { return -1 }
        process.waitUntilExit()
        return process.terminationStatus
    }

    @Test(.enabled(if: mayStart, "nobody cannot start the program here"))
    func `without root the view comes from a user namespace`() async throws {
        let world = try await World(app: false)
        let place = "\(world.path)/opt/app"
        chown(world.path, 65534, 65534)
        func nobody(_ words: String...) async throws -> World.Result {
            try world.must(await world.run(["/usr/bin/setpriv"] + Self.nobody + words, in: world.path))
        }
        let shipit = "\(World.programs)/shipit"
        _ = try await nobody(shipit, "init", world.repository, "--targets", world.targets)
        _ = try await nobody("/usr/bin/git", "init", "-q", "-b", "main", world.clone)
        let files = [
            "appspec.yml": """
            version: 0.0
            os: linux
            files: [{source: site, destination: \(place)}]
            hooks: {ApplicationStart: [{location: start.sh, timeout: 60}]}
            """,
            "site/index.html": "one", "start.sh": "#!/bin/sh\ncat \(place)/index.html >\(world.path)/seen\n",
        ]
        for (name, text) in files { try world.write(text, to: "\(world.clone)/\(name)") }
        let git = ["/usr/bin/git", "-c", "safe.directory=*", "-C", world.clone]
        for words in [["add", "-A"], ["commit", "-qm", "one"], ["push", "-q", world.repository, "main"]] {
            try world.must(await world.run(["/usr/bin/setpriv"] + Self.nobody + git + words, in: world.path))
        }
        #expect(world.read("\(world.path)/seen") == "one")
        #expect(world.names(in: place).isEmpty)
        try await world.settled()
    }
}
