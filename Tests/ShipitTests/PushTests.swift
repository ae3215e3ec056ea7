import Foundation
import Glibc
import Testing

@testable import Shipit

/// A build outside the walls that waits for a file, so that a test decides when it goes on.
private func slowBuild(_ world: World) -> [String: String] {
    [
        "buildspec.yml": """
        version: 0.2
        phases:
          build:
            commands:
              - while [ ! -e \(world.path)/go ]; do sleep 0.02; done
        """
    ]
}

private let unenclosed = "build: {sandbox: off}"

@Suite struct PushTests {
    @Test func `a push is live on staging, waits for promotion, and the same bytes go to production`() async throws {
        let world = try await World()
        let (revision, push) = try await world.ship(["index.html": "two\n"], "second thoughts")
        let short = revision.prefix(7)
        #expect(
            push.stderr.contains("remote: shipit: run 1 of blog: main at \(short) second thoughts"), "\(push.stderr)")
        #expect(push.stderr.contains("s  staging is live at \(short) after "))
        #expect(push.stderr.contains("remote: shipit: run 1 waits: production, for promotion; shipit promote"))
        #expect(push.stderr.contains("remote: shipit: next: shipit plan, then shipit promote"))
        #expect(world.current() == "two\n")
        #expect(world.current(world.production) == nil)

        let promotion = await world.shipit("promote")
        #expect(promotion.status == 0 && promotion.stdout == "", "\(promotion)")
        #expect(promotion.stderr.contains("production is live at \(short)"))
        #expect(world.current(world.production) == "two\n")
        #expect(try await world.status(of: 1) == "succeeded")
        let again = await world.shipit("promote")
        #expect(again.status == 69)
        #expect(
            again.stderr == """
                error: nothing to promote: \(short) is live in production already
                  hint: naming it deploys it again: shipit promote \(short)

                """)
        #expect(await world.shipit("promote", String(short)).status == 0)
        #expect(world.releases(world.production).count == 2)
        try await world.settled()
    }

    @Test func `a push whose hook never ran is found by comparing, once, and its spool file joins it`() async throws {
        let world = try await World()
        let hook = "\(world.repository)/hooks/post-receive"
        rename(hook, hook + ".off")
        let revision = try await world.commit(["index.html": "two\n"])
        #expect(await world.push().status == 0)
        #expect(world.names(in: "\(world.home)/spool").isEmpty)
        #expect(await world.shipit("work").status == 0)
        #expect(world.current() == "two\n")
        #expect(await world.shipit("work").status == 0)
        #expect(try await world.runs().count == 1)

        rename(hook + ".off", hook)
        let line = "\(String(repeating: "0", count: 40)) \(revision) refs/heads/main\n"
        let late = await world.run([hook], in: world.repository, environment: ["GIT_DIR": "."], input: line)
        #expect(late.text.contains("run 1 of blog"), "\(late)")
        #expect(try await world.runs().count == 1)
        let pushes = try #require(try await world.json("runs", "--pushes") as? [[String: Any]])
        #expect(pushes.count == 1)
        #expect(pushes.first?["by"] as? String != "unknown (found by comparing)")
        try await world.settled()
    }

    @Test func `fifty workers at once make one run of one push`() async throws {
        let world = try await World()
        try world.write("", to: "\(world.home)/systemd")
        #expect(await world.push("-o", "detach", "main").status == 0)
        let workers = (0..<50).map { _ in world.startShipit("work") }
        for worker in workers { #expect(await worker.end().status == 0) }
        #expect(try await world.runs().count == 1)
        #expect(world.releases().count == 1)
        let revisions = try await world.revisions("staging")
        #expect(revisions.count == 1 && revisions.first?["outcome"] as? String == "succeeded")
    }

    @Test func `while a build is slow, the newest push supersedes those that wait`() async throws {
        let world = try await World(extra: unenclosed)
        try await world.commit(slowBuild(world))
        await world.push("-o", "detach", "main")
        try await eventually("the build runs") { try await world.status(of: 1) == "running" }
        var followers: [Child] = []
        for number in 2...4 {
            try await world.commit(["index.html": "\(number)\n"])
            followers.append(world.start(["/usr/bin/git", "push", "-q", "origin", "main"], in: world.clone))
            try await eventually("run \(number) is queued") { try await world.runs().count == number }
        }
        try world.write("", to: "\(world.path)/go")
        var said: [String] = []
        for follower in followers { said.append(await follower.end().stderr) }
        #expect(said[0].contains("shipit: error: run 2 superseded: build: superseded by run 3"), "\(said[0])")
        #expect(said[1].contains("superseded by run 4"))
        #expect(said[2].contains("staging is live at"))
        #expect(world.current() == "4\n")
        #expect(
            try await world.runs().map { $0["status"] as? String } == [
                "waiting", "superseded", "superseded", "superseded",
            ])
        #expect(world.releases().count == 2)
        try await world.settled()
    }

    @Test func `in the mode queued every push is shipped in its order`() async throws {
        let world = try await World(extra: "mode: queued\n\(unenclosed)")
        try await world.commit(slowBuild(world))
        await world.push("-o", "detach", "main")
        for number in 2...3 {
            try await world.commit(["index.html": "\(number)\n"])
            await world.push("-o", "detach", "main")
        }
        try world.write("", to: "\(world.path)/go")
        try await world.settled()
        #expect(try await world.runs().map { $0["status"] as? String } == ["waiting", "waiting", "waiting"])
        let revisions = try await world.revisions("staging")
        #expect(revisions.map { $0["run"] as? Int } == [3, 2, 1])
        #expect(world.current() == "3\n")
    }

    @Test func `with detach the pusher leaves at once, and with wait it stays`() async throws {
        let world = try await World(extra: "push: detach")
        let first = await world.push()
        #expect(first.stderr.contains("remote: shipit: run 1 queued; shipit log 1 -f follows it"), "\(first.stderr)")
        #expect(!first.stderr.contains("is live"))
        try await world.settled()
        let second = try await world.commit(["index.html": "two\n"])
        let waiting = await world.push("-o", "wait", "main")
        #expect(waiting.stderr.contains("staging is live at \(second.prefix(7))"), "\(waiting.stderr)")

        try world.setPolicy()
        try await world.commit(["index.html": "three\n"])
        let leaving = await world.push("-o", "detach", "main")
        #expect(leaving.stderr.contains("shipit: queued"))
        #expect(!leaving.stderr.contains("is live"))
        try await world.settled()
        #expect(world.current() == "three\n")
    }

    @Test func `pushes that ship nothing are recorded with their reason`() async throws {
        let world = try await World()
        await world.push()
        try await world.git("tag", "v1")
        try await world.git("branch", "topic")
        let both = await world.push("v1", "topic")
        #expect(
            both.stderr.contains(
                "topic ships nothing: no trigger of blog names the branch topic; shipit start topic ships it anyway"),
            "\(both.stderr)")
        #expect(
            both.stderr.contains(
                "v1 ships nothing: no trigger of blog names the tag v1; shipit start v1 ships it anyway"))
        let deletion = await world.push("--delete", "topic")
        #expect(deletion.status == 0)
        #expect(try await world.runs().count == 1)
        let table = await world.shipit("runs", "--pushes")
        #expect(
            table.stdout.contains("no trigger of blog names the tag v1")
                && table.stdout.contains("no trigger of blog names the branch topic"))
        #expect(await world.shipit("start", "v1").status == 0)
        try await world.settled()
    }

    @Test func `a branch that ships may be deleted, pushed again and forced`() async throws {
        let world = try await World()
        await world.push()
        try await world.git(in: world.repository, "symbolic-ref", "HEAD", "refs/heads/other")
        let deleted = await world.push("--delete", "main")
        #expect(deleted.stderr.contains("main ships nothing: the branch was deleted"), "\(deleted.stderr)")
        #expect(world.current() == "one\n")
        #expect(await world.push().stderr.contains("is live at"))
        try await world.git("commit", "-q", "--amend", "-m", "another")
        let revision = try await world.git("rev-parse", "HEAD")
        #expect(await world.push("--force", "main").stderr.contains("staging is live at \(revision.prefix(7))"))
        try await world.git(in: world.repository, "gc", "-q", "--prune=now")
        #expect(await world.shipit("start").status == 0)
        try await world.settled()
    }

    @Test func `one repository feeds two apps`() async throws {
        let world = try await World()
        try world.must(await world.shipit("init", world.repository, "--app", "shop", "--targets", "\(world.path)/shop"))
        let push = await world.push()
        #expect(push.stderr.contains("run 1 of blog") && push.stderr.contains("run 2 of shop"), "\(push.stderr)")
        #expect(push.stderr.contains("next: shipit plan --app shop, then shipit promote --app shop"))
        #expect(world.current() == "one\n" && world.current("\(world.path)/shop/staging") == "one\n")
        let unnamed = await world.shipit("promote")
        #expect(unnamed.status == 64)
        #expect(
            unnamed.stderr == "error: there are several apps, and none was named\n  hint: --app blog, or --app shop\n")
        #expect(push.stderr.contains("  blog: staging is live at"), "\(push.stderr)")
        #expect(push.stderr.contains("  shop: staging is live at"), "\(push.stderr)")
        // A clone says as much as the repository.
        try world.must(await world.shipit("init", "\(world.path)/other.git", "--targets", "\(world.path)/other"))
        let clone = await world.shipit("promote", in: world.clone)
        #expect(clone.stderr.hasSuffix("hint: --app blog, or --app shop\n"), "\(clone.stderr)")
        let here = await world.shipit("promote", in: world.repository)
        #expect(
            here.status == 64 && here.stderr.hasPrefix("error: there are several apps of this repository, and none"))
        #expect(await world.shipit("promote", "--app", "shop").status == 0)
        let removed = await world.shipit("remove", "shop")
        #expect(removed.status == 0, "\(removed.stderr)")
        #expect(await world.shipit("revisions").status == 64)
        #expect(try world.must(await world.shipit("revisions", in: world.clone)).stdout.contains("staging"))
        #expect(await world.push("main:refs/heads/x").status == 0)
        #expect(try await world.ship(["index.html": "two\n"]).result.stderr.contains("staging is live"))
        try await world.settled()
    }

    @Test func `a hook that was there before runs too, with the same input and its status`() async throws {
        let world = try await World(files: nil, app: false)
        try await world.git(in: world.path, "init", "-q", "--bare", "-b", "main", world.repository)
        try world.write(
            "#!/bin/sh\ncat >\(world.path)/heard\necho chained\nexit 3\n", to: "\(world.repository)/hooks/post-receive",
            mode: 0o755)
        let made = try world.must(await world.shipit("init", world.repository, "--targets", world.targets))
        #expect(
            made.stderr.contains(
                "the hook that was there runs after shipit's, as \(world.repository)/hooks/post-receive.before-shipit"))
        try await world.git(in: world.path, "clone", "-q", world.repository, world.clone)
        let revision = try await world.commit(["index.html": "one\n"])
        let push = await world.push("HEAD:main")
        #expect(push.stderr.contains("remote: chained") && push.stderr.contains("staging is live"), "\(push.stderr)")
        #expect(
            world.read("\(world.path)/heard") == "\(String(repeating: "0", count: 40)) \(revision) refs/heads/main\n")
        try await world.settled()
        try world.must(await world.shipit("remove", "blog"))
        #expect(world.read("\(world.repository)/hooks/post-receive")?.contains("echo chained") == true)
        #expect(world.names(in: "\(world.repository)/hooks").filter { $0.contains("before") }.isEmpty)
    }

    @Test func `what is live is visible from any clone, and nobody can push to those names`() async throws {
        let world = try await World()
        await world.push()
        try world.must(await world.shipit("promote"))
        let first = try await world.git("rev-parse", "HEAD")
        let second = try await world.ship(["index.html": "two\n"]).revision
        try await world.settled()
        let references = try await world.git("ls-remote", "origin", "refs/shipit/*").split(separator: "\n").map(
            String.init)
        let notes = "refs/shipit/notes/blog"
        #expect(
            Set(references.filter { !$0.hasSuffix("\t\(notes)") })
                == ["\(first)\trefs/shipit/blog/production", "\(second)\trefs/shipit/blog/staging"])
        #expect(references.count == 3, "\(references)")
        try await world.git("config", "--add", "remote.origin.fetch", "+refs/shipit/*:refs/remotes/shipit/*")
        try await world.git("fetch", "-q")
        #expect(try await world.git("log", "--format=%H", "shipit/blog/production..main") == second)
        let forged = await world.push("HEAD~1:refs/shipit/blog/staging")
        #expect(forged.status != 0 && forged.stderr.contains("deny updating a hidden ref"), "\(forged.stderr)")
        #expect(await world.push("--delete", "refs/shipit/blog/production").status != 0)
        #expect(await world.push("--force", "HEAD:\(notes)").status != 0)
        #expect(await world.push("--delete", notes).status != 0)
        try await world.git("fetch", "-q", "origin", "+refs/shipit/notes/*:refs/notes/shipit/*")
        let log = try await world.git("log", "-1", "--notes=shipit/blog", "--format=%N", first)
        #expect(log.contains("production: release 1, run 1, live "), "\(log)")
    }

    @Test func `init and remove leave a repository as it was`() async throws {
        let world = try await World(files: nil, app: false)
        try await world.git(in: world.path, "init", "-q", "--bare", "-b", "main", world.repository)
        try await world.git(in: world.repository, "config", "core.fsync", "none")
        let before = world.read("\(world.repository)/config")
        try world.must(await world.shipit("init", world.repository, "--targets", world.targets))
        let again = try world.must(await world.shipit("init", world.repository, "--targets", world.targets))
        #expect(!again.stderr.contains("set ") && !again.stderr.contains("installed"), "\(again.stderr)")
        let removed = try world.must(await world.shipit("remove", "blog"))
        #expect(removed.stderr.contains("core.fsync is none again"))
        let after = world.read("\(world.repository)/config")
        let sections = { (text: String?) in
            Set((text ?? "").split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) })
        }
        #expect(sections(after).subtracting(["[receive]", "[uploadpack]", "[receive \"fsck\"]"]) == sections(before))
        #expect(!world.exists("\(world.repository)/hooks/post-receive"))
        #expect(await world.shipit("apps").stdout == "")
    }
}
