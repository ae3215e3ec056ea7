import Testing

@testable import Shipit

@Suite struct PipelineTests {
    @Test func `a small policy has the documented defaults`() throws {
        let (pipeline, warnings) = try Pipeline.parse(Array(smallPipeline.utf8), file: "pipeline.yml")
        #expect(warnings.isEmpty)
        #expect(pipeline.app == "blog")
        #expect(pipeline.mode == .superseded)
        #expect(pipeline.push == .wait)
        #expect(pipeline.triggers == [Trigger(.branches, Trigger.Filter([Glob("main")]))])
        #expect(pipeline.build == BuildPolicy())
        #expect(pipeline.build.timeout == .seconds(3600))
        #expect(pipeline.retention.artifacts == RetentionLimits(count: 10))
        #expect(pipeline.retention.logs == RetentionLimits(count: 500))
        #expect(pipeline.retention.runs.isEmpty)
        let staging = try #require(pipeline.environment("staging"))
        #expect(staging.targets == ["/srv/blog/staging"])
        #expect(staging.keep == 5)
        #expect(staging.onFailure == .rollback)
        #expect(staging.health == nil)
    }

    @Test func `every key of the reference is read`() throws {
        let yaml = """
            app: blog
            repository: /srv/git//blog.git/
            triggers:
              - branches: [main, release/*]
              - branches: {exclude: [tmp/**]}
            mode: queued
            push: detach
            build:
              buildspec: ci/buildspec.yml
              timeout: 10m
              sandbox: required
              network: no
              see: [/opt/swift]
            retention:
              artifacts: {count: 3, age: 400d, size: 5G}
              logs: {size: 500M}
              runs: {count: 10000}
            environments:
              - name: staging
                targets: [/srv/a, {path: /srv/b}]
              - name: production
                promotion: automatic
                targets: [/srv/c]
                layout: releases
                shared: [uploads/, .env]
                keep: 0
                health: {command: [curl, -f, "http://localhost/"], within: 5s}
                on_failure: stop
                runas: www-data
                hook_timeout: 2m
            """
        let pipeline = try Pipeline.parse(Array(yaml.utf8), file: "pipeline.yml").pipeline
        #expect(pipeline.repository == "/srv/git/blog.git")
        #expect(pipeline.mode == .queued)
        #expect(pipeline.push == .detach)
        #expect(pipeline.triggers.count == 2)
        #expect(pipeline.ships(Array("refs/heads/release/1".utf8)))
        #expect(!pipeline.ships(Array("refs/heads/tmp/x/y".utf8)))
        #expect(pipeline.ships(Array("refs/heads/anything".utf8)))
        #expect(!pipeline.ships(Array("refs/tags/main".utf8)))
        #expect(!pipeline.build.network)
        #expect(pipeline.build.sandbox == .required)
        #expect(pipeline.build.timeout == .seconds(600))
        #expect(
            pipeline.retention.artifacts == RetentionLimits(count: 3, age: .seconds(400 * 86_400), size: 5 << 30))
        #expect(pipeline.retention.logs == RetentionLimits(size: 500 << 20))
        #expect(pipeline.retention.runs == RetentionLimits(count: 10_000))
        #expect(pipeline.environments.map(\.targets) == [["/srv/a", "/srv/b"], ["/srv/c"]])
        let production = try #require(pipeline.environment("production"))
        #expect(production.promotion == .automatic)
        #expect(
            production.shared == [
                SharedPath(path: "uploads", isFolder: true), SharedPath(path: ".env", isFolder: false),
            ])
        #expect(production.keep == 0)
        #expect(production.health == HealthCheck(probe: .command(["curl", "-f", "http://localhost/"]), within: 5))
        #expect(production.onFailure == .stop)
        #expect(production.runas == "www-data")
        #expect(production.hookTimeout == .seconds(120))
        #expect(pipeline.before("production")?.name == "staging")
        #expect(pipeline.after("staging")?.name == "production")
        #expect(pipeline.before("staging") == nil && pipeline.after("production") == nil)
    }

    @Test func `all that is wrong is said at once, where it is, and in the order of the file`() {
        let yaml = """
            app: Blog_1
            repositori: /srv/git/blog.git
            mode: supersede
            push: later
            build:
              timeout: soon
              sandbox: maybe
              network: perhaps
            environments:
              - name: staging
                targets: [srv/staging]
                keep: many
              - name: staging
                targets: [/srv/b]
                promotion: auto
                health: {url: "ftp://x", command: [a]}
            """
        #expect(
            pipelineComplaints(yaml) == [
                #"pipeline.yml:1:1: "repository" is missing, expected the path of a bare git repository, or the URL of one elsewhere"#,
                #"pipeline.yml:1:6: app wants a name of a-z, 0-9 and -, that begins with a letter or digit, found "Blog_1""#,
                #"pipeline.yml:2:1: unknown key "repositori" in pipeline.yml, did you mean "repository"?"#,
                #"pipeline.yml:3:7: mode wants superseded or queued or parallel, found "supersede"; did you mean superseded?"#,
                #"pipeline.yml:4:7: push wants wait or detach, found "later""#,
                #"pipeline.yml:6:12: timeout wants a duration such as 30s, 10m or 2h, found "soon""#,
                #"pipeline.yml:7:12: sandbox wants auto or required or off, found "maybe""#,
                #"pipeline.yml:8:12: network wants yes or no, found "perhaps""#,
                #"pipeline.yml:11:15: a target wants an absolute path without . and .., found "srv/staging""#,
                #"pipeline.yml:12:11: keep wants a number from 0 to 1000, found "many""#,
                #"pipeline.yml:13:5: the environment "staging" stands twice"#,
                #"pipeline.yml:15:16: promotion wants manual or automatic or none, found "auto""#,
                #"pipeline.yml:16:13: health wants either url: or command:"#,
            ])
    }

    /// Each of these is put after a policy that is good without it.
    @Test(arguments: [
        (
            "colour: red",
            #"pipeline.yml:6:1: unknown key "colour" in pipeline.yml, expected one of app, repository, fetch, triggers, mode, supersede_waiting, push, foreign_options, allow, build, retention, migrations, environments, secrets, notify"#
        ),
        ("notify: ann", #"pipeline.yml:6:9: notify wants a list, found "ann""#),
        ("triggers: []", "pipeline.yml:6:11: triggers wants at least one entry such as - branches: [main]"),
        ("triggers: main", #"pipeline.yml:6:11: triggers wants a list, found "main""#),
        (
            "triggers: [{paths: [src]}]",
            "pipeline.yml:6:12: a trigger wants branches: or tags:, a list of names or globs"
        ),
        (
            "triggers: [{branches: [a], tags: [b]}]",
            "pipeline.yml:6:34: a trigger wants branches: or tags:, expected two entries for both"
        ),
        (
            "triggers: [{tags: [v*], paths: [src]}]",
            "pipeline.yml:6:32: paths is for branches: a tag names a commit, and changes no files by itself"
        ),
        (
            "triggers: [{tags: [v*], to: stagin}]",
            #"pipeline.yml:6:29: there is no environment "stagin", did you mean "staging"?"#
        ),
        (
            "triggers: [{branches: ['rel[ease']}]",
            #"pipeline.yml:6:24: the pattern "rel[ease" has a [ without its ]; \[ stands for itself"#
        ),
        (
            "triggers: [{branches: ['{a,{b,c}}']}]",
            #"pipeline.yml:6:24: the pattern "{a,{b,c}}" has braces in braces, which do not nest"#
        ),
        (
            "triggers: [{branches: [\(String(repeating: "a", count: 256))]}]",
            #"pipeline.yml:6:24: the pattern "\#(String(repeating: "a", count: 40))" has 256 bytes, at most 255 are allowed"#
        ),
        ("foreign_options: ci.*", #"pipeline.yml:6:18: foreign_options wants a list, found "ci.*""#),
        (
            "allow: {promot: [ann]}",
            #"pipeline.yml:6:9: unknown key "promot" in allow, did you mean "promote"?"#
        ),
        ("allow: {promote: ann}", #"pipeline.yml:6:18: promote wants a list, found "ann""#),
        (
            "allow: {promote: {stagin: [ann]}}",
            #"pipeline.yml:6:19: there is no environment "stagin", did you mean "staging"?"#
        ),
        (
            "allow: {start: {staging: [ann]}}",
            "pipeline.yml:6:16: start wants a list of people, which holds for the whole app"
        ),
        (
            "allow: {hold: ['@']}",
            "pipeline.yml:6:16: @ wants the name of a group of this machine, such as @deployers"
        ),
        ("triggers: [{branches: []}]", "pipeline.yml:6:23: branches wants at least one name or glob"),
        (
            "triggers: [{branches: {only: [a]}}]",
            #"pipeline.yml:6:24: unknown key "only" in branches, expected one of include, exclude"#
        ),
        ("mode: [queued]", "pipeline.yml:6:7: mode wants text, found a list"),
        ("mode:", "pipeline.yml:6:6: mode has no value"),
        ("build: fast", #"pipeline.yml:6:8: build wants a mapping (key: value), found "fast""#),
        (
            "retention: {artefacts: {count: 1}}",
            #"pipeline.yml:6:13: unknown key "artefacts" in retention, did you mean "artifacts"?"#
        ),
        ("retention: {logs: {}}", "pipeline.yml:6:19: logs wants at least one of count, age, size"),
        (
            "retention: {runs: {size: 1G}}",
            #"pipeline.yml:6:20: unknown key "size" in runs, expected one of count, age"#
        ),
        (
            "retention: {logs: {count: -1}}",
            #"pipeline.yml:6:27: count wants a number from 0 to 100000000, found "-1""#
        ),
        (
            "retention: {logs: {age: a while}}",
            #"pipeline.yml:6:25: age wants a time such as 12h or 90d, found "a while""#
        ),
        (
            "retention: {logs: {size: 5}}",
            #"pipeline.yml:6:26: size wants a number with K, M, G or T, such as 500M or 5G, found "5""#
        ),
        ("build: {time-out: 3m}", #"pipeline.yml:6:9: unknown key "time-out" in build, did you mean "timeout"?"#),
        (
            "build: {buildspec: ../b.yml}",
            #"pipeline.yml:6:20: buildspec wants a path inside the release, found "../b.yml""#
        ),
        ("build: {see: [/]}", #"pipeline.yml:6:14: see wants folders, "/" would show everything"#),
        (
            "build: {see: [opt]}",
            #"pipeline.yml:6:15: an entry of see wants an absolute path without . and .., found "opt""#
        ),
        ("build: {cache: {}}", #"pipeline.yml:6:9: "cache" is not supported yet"#),
        ("build: {timeout: 0s}", #"pipeline.yml:6:18: timeout wants a duration such as 30s, 10m or 2h, found "0s""#),
        ("? [a, b]\n: c", "pipeline.yml:6:3: a key of pipeline.yml must be plain text"),
    ])
    func `a wrong key or value is named with its place`(line: String, expected: String) {
        #expect(
            pipelineComplaints(smallPipeline + line).contains(expected), "\(pipelineComplaints(smallPipeline + line))")
    }

    @Test(arguments: [
        (
            "name: build\n    targets: [/a]",
            #"pipeline.yml:4:11: "build" is the name of the build, expected another name"#
        ),
        (
            "name: UP\n    targets: [/a]",
            #"pipeline.yml:4:11: name wants a name of a-z, 0-9 and -, that begins with a letter or digit, found "UP""#
        ),
        (
            "name: -x\n    targets: [/a]",
            #"pipeline.yml:4:11: name wants a name of a-z, 0-9 and -, that begins with a letter or digit, found "-x""#
        ),
        (
            "name: ../x\n    targets: [/a]",
            #"pipeline.yml:4:11: name wants a name of a-z, 0-9 and -, that begins with a letter or digit, found "../x""#
        ),
        ("targets: [/a]", "pipeline.yml:4:5: an environment has no name, expected name: staging or the like"),
        ("name: s", "pipeline.yml:4:5: an environment has no targets, expected targets: [/srv/app/staging]"),
        ("name: s\n    targets: []", "pipeline.yml:5:14: targets wants at least one folder"),
        (
            "name: s\n    targets: [/]",
            "pipeline.yml:5:15: the target / wants layout: in-place, expected that or a folder of its own"
        ),
        (
            "name: s\n    targets: [/a, /a/b]",
            "pipeline.yml:5:19: the target /a/b and /a lie inside one another, expected separate folders"
        ),
        ("name: s\n    targets: [/a, /a/]", "pipeline.yml:5:19: the target /a stands twice, expected separate folders"),
        (
            "name: s\n    targets: [/a/../b]",
            #"pipeline.yml:5:15: a target wants an absolute path without . and .., found "/a/../b""#
        ),
        ("name: s\n    targets: [{host: h, path: /a}]", #"pipeline.yml:5:16: "host" is not supported yet"#),
        (
            "name: s\n    targets: [{paht: /a}]",
            #"pipeline.yml:5:16: unknown key "paht" in a target, did you mean "path"?"#
        ),
        (
            "name: s\n    targets: [/a]\n    layout: flat",
            #"pipeline.yml:6:13: layout wants releases or in-place, found "flat""#
        ),
        (
            "name: s\n    targets: [/a]\n    file_exists_behavior: RETAIN",
            "pipeline.yml:6:27: file_exists_behavior is for layout: in-place; in a new release there is nothing yet"
        ),
        (
            "name: s\n    targets: [/]\n    layout: in-place\n    shared: [a/]",
            "pipeline.yml:7:13: shared is for layout: releases; in place, what no revision brought stays, and scripts see it where it is"
        ),
        (
            "name: s\n    targets: [/a]\n    promotion: automatic",
            "pipeline.yml:6:16: the first environment takes every push, expected promotion on a later environment only"
        ),
        (
            "name: s\n    targets: [/a]\n    shared: [../x]",
            #"pipeline.yml:6:14: an entry of shared wants a path inside the release, found "../x""#
        ),
        (
            "name: s\n    targets: [/a]\n    shared: [/x]",
            #"pipeline.yml:6:14: an entry of shared wants a path inside the release, found "/x""#
        ),
        (
            "name: s\n    targets: [/a]\n    shared: [d/, d/e]",
            "pipeline.yml:6:18: the shared d/e and d/ overlap, expected separate names"
        ),
        (
            "name: s\n    targets: [/a]\n    keep: -1",
            #"pipeline.yml:6:11: keep wants a number from 0 to 1000, found "-1""#
        ),
        (
            "name: s\n    targets: [/a]\n    health: {within: 3s}",
            "pipeline.yml:6:13: health wants either url: or command:"
        ),
        (
            "name: s\n    targets: [/a]\n    health: {command: []}",
            "pipeline.yml:6:23: command wants a list of words, such as [curl, -f, http://localhost/]"
        ),
        (
            "name: s\n    targets: [/a]\n    health: {url: 'https://x/'}",
            #"pipeline.yml:6:19: url wants http://HOST[:PORT]/PATH, found "https://x/"; for https use command: [curl, -fsS, "https://x/"]"#
        ),
        (
            "name: s\n    targets: [/a]\n    on_failure: panic",
            #"pipeline.yml:6:17: on_failure wants rollback or stop, found "panic""#
        ),
        (
            "name: s\n    targets: [/a]\n    window: night",
            #"pipeline.yml:6:13: a window wants cron: "* 9-16 * * mon-thu" and zone: Europe/Berlin"#
        ),
        (
            "name: s\n    targets: [/a]\n    window: {cron: \"* 25 * * *\", zone: UTC}",
            #"pipeline.yml:6:20: the hour has no "25""#
        ),
        (
            "name: s\n    targets: [/a]\n    window: {cron: \"* 9 * * *\", zone: Mars/North}",
            #"pipeline.yml:6:39: there is no time zone "Mars/North", expected one such as Europe/Berlin or UTC"#
        ),
        (
            "name: s\n    targets: [/a]\n    freeze: {from: 2026-12-20, until: 2026-12-01}",
            "pipeline.yml:6:39: until lies before from"
        ),
        (
            "name: s\n    targets: [/a]\n    soak: 1h",
            "pipeline.yml:6:11: soak is the time in the environment before, and there is none before the first"
        ),
        (
            "name: s\n    targets: [/a]\n    approvals: {needed: 2, by: [ann]}",
            "pipeline.yml:6:32: by names fewer people than the 2 that are needed"
        ),
    ])
    func `what is wrong with an environment is named with its place`(environment: String, expected: String) {
        let yaml = "app: blog\nrepository: /r.git\nenvironments:\n  - \(environment)\n"
        #expect(pipelineComplaints(yaml).contains(expected), "\(pipelineComplaints(yaml))")
    }

    @Test func `targets of different environments must not lie inside one another`() {
        let yaml = smallPipeline + "  - name: production\n    targets: [/srv/blog/staging/sub]\n"
        #expect(
            pipelineComplaints(yaml.replacing("\n\n  -", with: "\n  -")).contains {
                $0.contains("the target /srv/blog/staging/sub and /srv/blog/staging lie inside one another")
            })
    }

    @Test(arguments: [
        ("a", true), ("blog-2", true), ("0x", true), (String(repeating: "a", count: 63), true),
        (String(repeating: "a", count: 64), false), ("", false), ("-a", false), ("a.b", false), ("a/b", false),
        ("ä", false),
        ("A", false), ("a b", false), ("..", false),
    ])
    func `names of apps and environments`(name: String, isValid: Bool) { #expect(Name.isValid(name) == isValid) }
}
