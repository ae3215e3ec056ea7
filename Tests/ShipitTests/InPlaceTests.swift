import Foundation
import Glibc
import Testing

@testable import Shipit

extension World {
    /// Where an appspec with the target `/` installs to; nothing of the machine is touched.
    var www: String { "\(path)/www" }
    var store: String { "\(home)/targets/blog/staging/%2F" }

    /// A policy whose staging installs in place; `more` are further lines of it.
    func installInPlace(_ more: String = "", target: String = "/") throws {
        try setPolicy(
            environments: """
                environments:
                  - name: staging
                    targets: [\(target)]
                    layout: in-place
                \(more.split(separator: "\n").map { "    \($0)" }.joined(separator: "\n"))
                """)
    }

    /// A revision whose `site` folder is installed to `www`, with a script for each event that notes it and what is
    /// installed just then.
    func revision(_ files: [String: String], _ scripts: [String: String] = [:], more: String = "") -> [String: String] {
        var appspec = "version: 0.0\nos: linux\nfiles:\n  - {source: site, destination: \(www)}\n\(more)hooks:\n"
        var all = Dictionary(uniqueKeysWithValues: files.map { ("site/\($0.key)", $0.value) })
        for event in LifecycleEvent.ofDeployment.map(\.rawValue) {
            appspec += "  \(event): [{location: hooks/\(event), timeout: 60}]\n"
            all["hooks/\(event)"] =
                "#!/bin/sh\necho \"\(event) $(cat \(www)/index.html 2>/dev/null)\" >>\(path)/trace\n\(scripts[event] ?? "")\n"
        }
        all["appspec.yml"] = appspec
        return all
    }

    func revision(_ text: String, _ scripts: [String: String] = [:]) -> [String: String] {
        revision(["index.html": text], scripts)
    }

    func site(_ name: String = "index.html") -> String? { read("\(www)/\(name)") }
}

@Suite struct InPlaceTests {
    @Test func `files go in among those of others, and those of the revision before go away`() async throws {
        let world = try await World()
        try world.installInPlace()
        try world.must(
            await world.ship(world.revision(["index.html": "one", "old/gone.txt": "x", "old/deep/a.txt": "x"])).result)
        #expect(world.site() == "one" && world.site("old/gone.txt") == "x")
        try world.write("mine", to: "\(world.www)/old/mine.txt")
        let second = await world.push()
        #expect(second.status == 0)
        let removed = ["site/old/gone.txt": "", "site/old/deep/a.txt": "", "site/new.txt": "n"]
        try world.must(await world.ship(world.revision("two").merging(removed) { $1 }).result)
        #expect(world.site() == "two" && world.site("new.txt") == "n")
        #expect(
            world.names(in: "\(world.www)/old") == ["mine.txt"], "what nobody installed stays, and so does its folder")
        #expect(world.names(in: world.www) == ["index.html", "new.txt", "old"], "nothing is left aside")
        #expect(
            world.trace == """
                BeforeInstall 
                AfterInstall one
                ApplicationStart one
                ValidateService one
                ApplicationStop one
                BeforeInstall one
                AfterInstall two
                ApplicationStart two
                ValidateService two

                """)
        let verified = await world.shipit("verify")
        #expect(verified.status == 0 && verified.stdout.contains("as it was deployed"), "\(verified.text)")
        #expect(await world.shipit("fsck").status == 0)
        try world.write("edited", to: "\(world.www)/new.txt")
        let edited = await world.shipit("verify")
        #expect(edited.status == 1 && edited.stdout.contains("new.txt: it has 6 bytes"), "\(edited.text)")
        #expect(await world.shipit("fsck").status == 0, "a hook script may have done it")
        unlink("\(world.www)/new.txt")
        let gone = await world.shipit("fsck")
        #expect(gone.status == 1 && gone.text.contains("new.txt: it is gone"), "\(gone.text)")
        try await world.settled()
    }

    @Test func `a folder gets the whole revision where there is no appspec, and the machine gets nothing`() async throws
    {
        let world = try await World()
        try world.write("mine", to: "\(world.staging)/mine.txt")
        try world.installInPlace(target: world.staging)
        try world.must(await world.ship(["sub/a.txt": "a"]).result)
        #expect(world.names(in: world.staging) == ["index.html", "mine.txt", "sub"])
        #expect(world.read("\(world.staging)/sub/a.txt") == "a")
        try world.installInPlace()
        let refused = try await world.ship(["index.html": "two"]).result
        #expect(refused.text.contains("the revision has no appspec.yml, so nothing says where its files go"))
        #expect(world.read("\(world.staging)/index.html") == "one\n")
        try await world.settled()
    }

    @Test func `scripts work in the folder that is installed to, and know the release`() async throws {
        let world = try await World()
        try world.installInPlace()
        let script = "echo \"$(pwd) $SHIPIT_TARGET $SHIPIT_RELEASE_DIR $0\" >\(world.path)/seen"
        let revision = try await world.ship(world.revision("one", ["AfterInstall": script])).revision
        let bundle = "\(world.store)/releases/1-\(revision.prefix(7))"
        #expect(world.read("\(world.path)/seen") == "/ / \(bundle) \(bundle)/hooks/AfterInstall\n")
        try await world.settled()
    }

    @Test func `BeforeInstall may clear the destination away`() async throws {
        let world = try await World()
        try world.write("foreign", to: "\(world.www)/index.html")
        try world.installInPlace()
        let clears = ["BeforeInstall": "rm -rf \(world.www)"]
        for text in ["one", "two"] {
            try world.must(await world.ship(world.revision(text, clears)).result)
            #expect(world.site() == text)
        }
        try await world.settled()
    }

    @Test func `what is in the way is said before anything runs, and all of it at once`() async throws {
        let world = try await World()
        try world.installInPlace()
        try world.must(await world.ship(world.revision("one")).result)
        try await world.settled()
        try world.write("mine", to: "\(world.www)/a.txt")
        try world.write("mine", to: "\(world.www)/b.txt")
        var files = world.revision(["index.html": "two", "a.txt": "a", "b.txt": "b"])
        files["appspec.yml"] = "version: 0.0\nos: linux\nfiles: [{source: site, destination: \(world.www)}]\n"
        // The first revision's own script would run before the installation.
        try world.must(await world.ship(["appspec.yml": files["appspec.yml"] ?? ""]).result)
        let trace = world.trace
        let result = try await world.ship(files).result
        #expect(result.text.contains("a.txt is there already") && world.log(3).contains("b.txt is there already"))
        #expect(world.site() == "one" && world.site("a.txt") == "mine" && world.trace == trace)
        #expect(try await world.status(of: 3) == "failed")
        try await world.settled()
    }

    @Test(arguments: [("OVERWRITE", "new", "mine"), ("RETAIN", "mine", "mine")])
    func `what the policy says of files that are there is done, and undone`(
        behavior: String, now: String, after: String
    ) async throws {
        let world = try await World()
        try world.write("mine", to: "\(world.www)/a.txt")
        try world.installInPlace("file_exists_behavior: \(behavior)")
        let failing = ["ApplicationStart": "[ ! -e \(world.path)/fails ]"]
        try world.write("", to: "\(world.path)/fails")
        let files = world.revision(["index.html": "one", "a.txt": "new"], failing)
        let failed = try await world.ship(files).result
        #expect(failed.text.contains("ApplicationStart"), "\(failed.text)")
        #expect(world.names(in: world.www) == ["a.txt"] && world.site("a.txt") == after)
        unlink("\(world.path)/fails")
        try world.must(await world.ship().result)
        #expect(world.site("a.txt") == now && world.site() == "one")
        try await world.settled()
    }

    @Test(arguments: ["AfterInstall", "ApplicationStart", "ValidateService"])
    func `a revision that fails leaves the files and the service of the one before`(event: String) async throws {
        let world = try await World()
        try world.installInPlace()
        try world.must(await world.ship(world.revision(["index.html": "one", "only.txt": "1"])).result)
        let files = world.revision(["index.html": "two", "only.txt": ""], [event: "exit 3"])
        let result = try await world.ship(files).result
        #expect(result.text.contains("\(event): hooks/\(event) ended with exit status 3"), "\(result.text)")
        #expect(world.site() == "one" && world.site("only.txt") == "1")
        #expect(world.names(in: world.www) == ["index.html", "only.txt"])
        #expect(world.trace.hasSuffix("ApplicationStart one\n"), "what ran before runs again: \(world.trace)")
        #expect(await world.shipit("fsck").status == 0)
        try await world.settled()
    }

    @Test func `a rollback installs the kept release again, with all of its events`() async throws {
        let world = try await World()
        try world.installInPlace()
        try world.must(await world.ship(world.revision(["index.html": "one", "only.txt": "1"])).result)
        let second = world.revision("two").merging(["site/only.txt": "", "site/more.txt": "2"]) { $1 }
        try world.must(await world.ship(second).result)
        try world.must(await world.shipit("rollback"))
        #expect(world.names(in: world.www) == ["index.html", "only.txt"] && world.site() == "one")
        let events = world.trace.split(separator: "\n").suffix(5)
        #expect(
            events == [
                "ApplicationStop two", "BeforeInstall two", "AfterInstall one", "ApplicationStart one",
                "ValidateService one",
            ])
        #expect(await world.shipit("fsck").status == 0)
        try await world.settled()
    }

    static let steps: [Failpoint] = [
        .deployPrepared, .deployJournalled, .deployStopped, .deployReady, .installStaged, .installJournalled,
        .installExchanged, .deployBeforeSwitch, .deployAfterSwitch, .deployStarted, .deployValidated,
        .deployResultWritten, .deployBeforeFinish, .deployAfterFinish,
    ]

    @Test(arguments: steps)
    func `a worker that is killed at any step leaves the old files or the new ones`(step: Failpoint) async throws {
        let world = try await World()
        try world.installInPlace()
        try world.write("", to: "\(world.home)/systemd")
        try await world.commit(world.revision(["index.html": "one", "only.txt": "1"]))
        await world.push("-o", "detach", "main")
        try world.must(await world.shipit("work"))
        let second = world.revision("two").merging(["site/only.txt": "", "site/more.txt": "2"]) { $1 }
        try await world.commit(second)
        await world.push("-o", "detach", "main")
        let killed = await world.shipit("work", environment: ["SHIPIT_FAILPOINT": "\(step.rawValue):kill"])
        #expect(killed.status == 128 + SIGKILL, "\(killed.text)")
        // With the environment held nothing follows the recovery.
        try world.must(await world.shipit("hold", "staging", "--reason", "to look at it"))
        try world.must(await world.shipit("work"))
        // Holding may start a worker too, and this one then leaves the work to it.
        try await world.settled()
        let isNew = world.site() == "two"
        #expect(isNew == [.deployResultWritten, .deployBeforeFinish, .deployAfterFinish].contains(step))
        #expect(world.names(in: world.www) == (isNew ? ["index.html", "more.txt"] : ["index.html", "only.txt"]))
        #expect(world.read("\(world.store)/current/site/index.html") == (isNew ? "two" : "one"))
        // Lifting the hold may start a worker too.
        try world.must(await world.shipit("unhold", "staging"))
        try world.must(await world.shipit("work"))
        try await world.settled()
        #expect(world.names(in: world.www) == ["index.html", "more.txt"] && world.site() == "two")
        #expect(try await world.status(of: 2) == "succeeded")
        #expect(world.trace.split(separator: "\n").contains("ApplicationStop one"))
        let fsck = await world.shipit("fsck")
        #expect(fsck.status == 0, "\(fsck.text)")
        try await world.settled()
    }

    @Test func `the put-back of a failed installation can itself be killed`() async throws {
        let world = try await World()
        try world.installInPlace()
        try world.write("", to: "\(world.home)/systemd")
        try await world.commit(world.revision(["index.html": "one", "only.txt": "1"]))
        await world.push("-o", "detach", "main")
        try world.must(await world.shipit("work"))
        try await world.commit(
            world.revision("two", ["ValidateService": "exit 1"]).merging(["site/only.txt": ""]) { $1 })
        await world.push("-o", "detach", "main")
        for step in ["put-back-began", "install-put-back", "put-back-switched"] {
            let killed = await world.shipit("work", environment: ["SHIPIT_FAILPOINT": "\(step):kill"])
            #expect(killed.status == 128 + SIGKILL, "\(step): \(killed.text)")
        }
        _ = await world.shipit("work")
        #expect(world.names(in: world.www) == ["index.html", "only.txt"] && world.site() == "one")
        #expect(try await world.status(of: 2) == "failed")
        #expect(await world.shipit("fsck").status == 0)
        try await world.settled()
    }
}
