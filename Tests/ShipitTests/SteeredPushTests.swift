import Foundation
import GitKit
import Testing

@testable import Shipit
@testable import ShipitCLI

/// Three environments: staging and production one after the other, preview by name.
private let withPreview = """
    environments:
      - name: staging
        targets: [@TARGETS@/staging]
      - name: production
        targets: [@TARGETS@/production]
      - name: preview
        targets: [@TARGETS@/preview]
        promotion: none
    """

@Suite struct SteeredPushTests {
    private func reasons(_ world: World) async throws -> [String] {
        let pushes = try #require(try await world.json("runs", "--pushes") as? [[String: Any]])
        return pushes.flatMap { ($0["updates"] as? [[String: Any]] ?? []).compactMap { $0["reason"] as? String } }
    }

    @Test func `triggers lead branches and tags to their environments`() async throws {
        let world = try await World(
            environments: withPreview.replacing("    promotion: none\n", with: ""),
            extra: """
                triggers:
                  - branches: [main]
                  - tags: ['v[0-9]*']
                    to: production
                  - branches: {exclude: [wip/*]}
                    to: preview
                """)
        #expect(await world.push().stderr.contains("staging is live at"))
        try await world.git("checkout", "-q", "-b", "topic")
        let topic = try await world.commit(["index.html": "topic\n"])
        let pushed = await world.push("topic")
        #expect(pushed.stderr.contains("topic at \(topic.prefix(7)), to preview: change"), "\(pushed.stderr)")
        #expect(pushed.stderr.contains("preview is live at \(topic.prefix(7))") && !pushed.stderr.contains("waits"))
        #expect(world.current("\(world.targets)/preview") == "topic\n" && world.current() == "one\n")

        try await world.git("tag", "-a", "-m", "one", "v1", "main")
        let tagged = await world.push("v1")
        #expect(tagged.stderr.contains("v1 at") && tagged.stderr.contains("production is live at"), "\(tagged.stderr)")
        #expect(world.current(world.production) == "one\n")
        try await world.git("tag", "-f", "v1", "topic")
        #expect(await world.push("--force", "v1").stderr.contains("production is live at \(topic.prefix(7))"))
        // By name v10 comes before v9.
        try await world.git("tag", "v9", "main")
        let late = ["GIT_COMMITTER_DATE": "2040-01-01T00:00:00Z"]
        try world.must(
            await world.run(
                ["/usr/bin/git", "commit", "-q", "--allow-empty", "-m", "ten"], in: world.clone, environment: late))
        try await world.git("tag", "v10")
        #expect(await world.push("v9", "v10").stderr.contains("production is live at"))
        let ten = try await world.git("rev-parse", "HEAD")
        #expect(try await world.revisions("production").first?["revision"] as? String == ten)
        #expect(await world.push("--delete", "v1").stderr.contains("v1 ships nothing: the tag was deleted"))
        let typo = await world.push("-o", "resaon=x", "topic:refs/tags/v2")
        #expect(
            typo.stderr.contains(
                "v2 ships nothing: unknown option resaon=x, did you mean reason?; shipit start v2 --to production --reason x ships it"
            ), "\(typo.stderr)")
        let wip = await world.push("topic:wip/x")
        #expect(
            wip.stderr.contains(
                "wip/x ships nothing: no trigger of blog names the branch wip/x; shipit start wip/x ships it anyway"),
            "\(wip.stderr)")
        try await world.settled()
        let runs = try await world.runs()
        #expect(
            runs.compactMap { $0["entry"] as? String } == [
                "production", "production", "production", "production", "preview",
            ])
        #expect(
            try world.installation().ledger.references(of: "blog").keys.sorted() == [
                "refs/heads/main", "refs/heads/topic", "refs/tags/v10", "refs/tags/v2", "refs/tags/v9",
            ])
        let fsck = await world.shipit("fsck")
        #expect(fsck.status == 0, "\(fsck)")
    }

    @Test func `in a monorepo each app ships what changed in its own paths`() async throws {
        let world = try await World(files: ["blog/a": "1\n", "shop/a": "1\n", "README.md": "x\n"])
        func paths(_ app: String) -> String {
            "triggers: [{branches: [main, 'fix/*'], paths: {include: ['\(app)/**'], exclude: ['**/*.md']}}]"
        }
        try world.setPolicy(extra: paths("blog"))
        for app in ["shop", "wiki"] {
            try world.must(
                await world.shipit("init", world.repository, "--app", app, "--targets", "\(world.path)/\(app)"))
            try world.setPolicy(
                environments: "environments: [{name: staging, targets: [\(world.path)/\(app)/staging]}]",
                extra: paths(app), app: app)
        }
        // There is nothing to compare with, so every file counts.
        let first = await world.push()
        #expect(first.stderr.contains("of blog") && first.stderr.contains("of shop"), "\(first.stderr)")
        #expect(
            first.stderr.contains(
                "main ships nothing: no file that changed is among the paths of wiki; shipit start main --app wiki ships it anyway"
            ))
        let blog = try await world.ship(["blog/a": "2\n", "shop/README.md": "y\n"]).result.stderr
        #expect(blog.contains("of blog") && !blog.contains("of shop"), "\(blog)")
        #expect(blog.contains("main ships nothing for 2 apps (shop, wiki); shipit runs --pushes says why"))
        let none = try await world.ship(["blog/b.md": "y\n"]).result.stderr
        #expect(!none.contains("of blog:"), "\(none)")
        #expect(none.contains("the paths of blog;") && none.contains("the paths of shop;"))
        // A removed file has changed, too; and nothing that an unchanged push skipped comes back.
        #expect(try await world.ship(["shop/a": ""]).result.stderr.contains("of shop: main"))

        // A new branch is judged by what it has of its own.
        try await world.git("checkout", "-q", "-b", "fix/1")
        try await world.commit(["README.md": "z\n"])
        try await world.commit(["blog/a": "3\n"])
        let fix = await world.push("fix/1")
        #expect(fix.stderr.contains("of blog: fix/1") && !fix.stderr.contains("of shop: fix/1"), "\(fix.stderr)")
        let same = await world.push("main:fix/2")
        #expect(!same.stderr.contains("of blog: fix/2"), "\(same.stderr)")
        try await world.settled()
        #expect(try await reasons(world).count == 13)
    }

    @Test func `a message or an option skips a push, and both say how to ship it anyway`() async throws {
        let world = try await World()
        await world.push()
        let short = try await world.commit(["index.html": "2\n"], "words\n\n[Skip Ship]").prefix(7)
        let message = await world.push()
        #expect(
            message.stderr.contains(
                "main ships nothing: the message of \(short) says [skip ship]; shipit start main ships it anyway"),
            "\(message.stderr)")
        try await world.commit(["index.html": "3\n"])
        let option = await world.push("-o", "skip=the server is hot", "main")
        #expect(
            option.stderr.contains("with the push option skip: the server is hot; shipit start main ships it anyway"))
        #expect(try await world.runs().count == 1 && world.current() == "one\n")
        #expect(try await reasons(world).count == 2)
        #expect(await world.shipit("start", "--reason", "it has cooled down").status == 0)
        #expect(world.current() == "3\n")
        #expect(await world.shipit("show", "2").stdout.contains("reason: it has cooled down"))
        // What was skipped is not found by comparing.
        #expect(await world.shipit("work").status == 0)
        #expect(try await world.runs().count == 2)
        try await world.settled()
    }

    @Test func `an option that cannot be kept makes the push ship nothing, also for a pusher who leaves`() async throws
    {
        let world = try await World(environments: withPreview, extra: "foreign_options: ['ci.*']")
        await world.push("-o", "ci.skip", "main")
        #expect(world.current() == "one\n")
        try await world.commit(["index.html": "2\n"])
        let typo = await world.push("-o", "tp=production", "-o", "detach", "main")
        #expect(
            typo.stderr.contains(
                "main ships nothing: unknown option tp=production, did you mean to?; shipit start main --to production --detach ships it"
            ), "\(typo.stderr)")
        try await world.commit(["index.html": "3\n"])
        let both = await world.push("-o", "wait", "-o", "detach", "main")
        #expect(both.stderr.contains("the options wait and detach contradict each other; shipit start main ships it"))
        try await world.commit(["index.html": "4\n"])
        let place = await world.push("-o", "to=prodction", "main")
        #expect(
            place.stderr.contains(
                "main ships nothing: blog has no environment prodction (did you mean production?); shipit start main ships it as far as pushes go"
            ), "\(place.stderr)")
        try await world.commit(["index.html": "5\n"])
        try world.must(await world.shipit("env", "set", "production", "THEME=dark"))
        let variable = await world.push("-o", "var=THEME=light", "main")
        #expect(variable.stderr.contains("the variable THEME is set for production of blog by the server"))
        try await world.settled()
        #expect(try await world.runs().count == 1 && world.current() == "one\n")
        #expect(try await reasons(world).count == 4)
    }

    @Test func `a branch that no trigger names goes to an environment that the push names`() async throws {
        let world = try await World(
            environments: withPreview
                + "\n    health: {command: [sh, -c, 'echo \"[$THEME]\" >\"$SHIPIT_TARGET/../health\"'], within: 5s}",
            files: [
                "index.html": "one\n",
                "appspec.yml":
                    "version: 0.0\nos: linux\nhooks:\n  ApplicationStart:\n    - location: start\n",
                "start": "#!/bin/sh\necho \"$THEME\" >\"$SHIPIT_TARGET/../theme\"\n",
                "buildspec.yml":
                    "version: 0.2\nphases: {build: {commands: ['echo \"$THEME\" >theme']}}\nartifacts: {files: ['**/*']}\n",
            ])
        try world.write(
            "#!/bin/sh\necho \"[$THEME]\" >\"$SHIPIT_TARGET/../server\"\n",
            to: "\(world.home)/apps/blog/hooks/application-start", mode: 0o755)
        try await world.git("checkout", "-q", "-b", "topic")
        let push = await world.push(
            "-o", "to=preview", "-o", "var=THEME=dark blue", "-o", "reason=look at this", "topic")
        #expect(push.stderr.contains("preview is live at"), "\(push.stderr)")
        #expect(world.current("\(world.targets)/preview", "theme") == "dark blue\n")
        #expect(world.read("\(world.targets)/theme") == "dark blue\n")
        // What the server runs as itself is not told by a pusher how to find its files.
        for name in ["server", "health"] { #expect(world.read("\(world.targets)/\(name)") == "[]\n") }
        #expect(!world.exists(world.staging))
        let shown = await world.shipit("show", "1").stdout
        #expect(
            shown.contains("reason: look at this") && shown.contains("enters at preview")
                && shown.contains("variable THEME=dark blue"), "\(shown)")
        let again = await world.shipit("start", "topic", "--to", "preview", "--var", "THEME=red", "--rebuild")
        #expect(again.status == 0 && world.read("\(world.targets)/theme") == "red\n", "\(again)")
        #expect(await world.shipit("start", "topic", "--to", "preview", "--var", "PATH=/x").status == 64)
        #expect(await world.shipit("start", "topic", "--to", "nowhere").status == 64)
        // It moved without being one of the references that ship.
        #expect(await world.shipit("work").status == 0)
        #expect(try await world.runs().count == 2)
        try await world.settled()
    }

    @Test func `an option may do what its pusher may do`() async throws {
        let world = try await World(
            environments: withPreview,
            extra:
                "allow: {promote: {production: [ann]}, skip: [ann], hold: [ann], start: ['*'], to: ['*']}"
        )
        let ben = ["GL_USERNAME": "ben"], ann = ["GL_USERNAME": "ann"]
        let refused = await world.push("-o", "promote", "main", environment: ben)
        #expect(
            refused.stderr.contains(
                "main ships nothing: ben may not promote to production (ann may, says allow: in pipeline.yml); shipit start main"
            ), "\(refused.stderr)")
        try await world.commit()
        #expect(await world.push("-o", "skip", "main", environment: ben).stderr.contains("ben may not push with skip"))
        try await world.commit()
        // Nobody said who may take something to preview, and whom the forge names cannot run shipit.
        let forge = await world.push("-o", "to=preview", "main", environment: ben)
        #expect(forge.stderr.contains("pushes as somebody who cannot run shipit here"), "\(forge.stderr)")
        #expect(try await world.runs().isEmpty)
        try await world.commit()
        let permitted = await world.push("-o", "promote", "-o", "detach", "main", environment: ann)
        #expect(permitted.stderr.contains("run 1 queued"), "\(permitted.stderr)")
        try await world.settled()
        let run = try #require(try world.installation().ledger.run(1)?.run)
        #expect(run.goal == "production" && run.by == "ann (GL_USERNAME)")
        let hold = await world.shipit("hold", "production", "--reason", "x")
        #expect(
            hold.status == 69 && hold.stderr.contains("may not hold or unhold production\n  hint: ann may"), "\(hold)")
    }

    @Test func `a tag that was there before a trigger named it is taken as known, and one that came since ships`()
        async throws
    {
        let world = try await World(files: nil)
        try await world.git("commit", "-q", "--allow-empty", "-m", "first")
        try await world.git("tag", "v1")
        await world.push("main", "v1")
        try await world.settled()
        try world.setPolicy(extra: "triggers: [{branches: [main]}, {tags: ['v*']}]")
        // Patience is part of it: the spool file of a push may still come.
        #expect(await world.shipit("work").status == 0)
        #expect(
            try world.installation().ledger.references(of: "blog").keys.sorted() == ["refs/heads/main", "refs/tags/v1"])
        #expect(try await world.runs().count == 1)
        try await world.git("tag", "v2")
        #expect(await world.push("v2").stderr.contains("run 2 of blog: v2 at"))
        try await world.settled()
    }

    @Test func `a pusher who promotes is the promoter at each step on the way`() async throws {
        let world = try await World(environments: withPreview)
        let push = await world.push("-o", "to=production", "main")
        #expect(push.stderr.contains("production is live at"), "\(push.stderr)")
        #expect(world.current() == "one\n" && world.current(world.production) == "one\n")
        #expect(!world.exists("\(world.targets)/preview"))
        let record = try #require(try world.installation().ledger.run(1))
        #expect(record.jobs.map(\.by) == [nil, nil, record.run.by])
        #expect(try await world.ship(["index.html": "two\n"]).result.stderr.contains("run 2 waits: production"))
        #expect(await world.shipit("start", "--to", "production").status == 0)
        #expect(world.current(world.production) == "two\n")
        try await world.settled()
    }

    @Test func `where a push feeds many apps, its pusher reads few lines`() {
        func update(_ app: String, _ reason: String?, _ isUnconcerned: Bool) -> PushRecord.Update {
            PushRecord.Update(
                app: app, reference: "refs/heads/main", old: "", new: "", reason: reason, isUnconcerned: isUnconcerned,
                run: reason == nil ? 1 : nil)
        }
        let nine = (1...9).map { update("app\($0)", "no file of app\($0); shipit start", true) }
        let silent =
            "main ships nothing for 9 apps (app1, app2, app3, app4, app5, app6, app7, app8, …); shipit runs --pushes says why"
        #expect(UnshippedUpdates.lines(nine) == [silent])
        #expect(UnshippedUpdates.lines([update("blog", nil, false)] + nine) == [silent])
        #expect(UnshippedUpdates.lines([update("blog", nil, false)]).isEmpty)
        #expect(UnshippedUpdates.lines(Array(nine.prefix(3))).count == 3)
        let wrong = (1...3).map { update("app\($0)", "unknown option x; shipit start main --app app\($0)", false) }
        #expect(
            UnshippedUpdates.lines(wrong + [update("z", "z has no environment y; shipit start", false)]) == [
                "main ships nothing for 3 apps (app1, app2, app3): unknown option x; shipit runs --pushes says why",
                "main ships nothing: z has no environment y; shipit start",
            ])
    }
}
