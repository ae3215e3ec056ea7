import Foundation
import Glibc
import Testing

@testable import Shipit

@Suite struct CommandLineTests {
    static let commands = [
        [], ["init"], ["template"], ["apps"], ["remove"], ["env"], ["env", "list"], ["env", "set"], ["env", "unset"],
        ["status"], ["runs"],
        ["show"], ["log"], ["revisions"], ["plan"], ["artifacts"], ["start"], ["promote"], ["rollback"], ["reject"],
        ["cancel"], ["retry"], ["mark"], ["stats"], ["repair"],
        ["hold"], ["unhold"], ["serve"], ["work"],
    ]

    @Test func `every command has help with an example`() async throws {
        let world = try await World(app: false)
        for words in Self.commands {
            let help = await world.run(["\(World.programs)/shipit"] + words + ["--help"], in: world.path)
            #expect(help.status == 0 && help.stderr == "")
            #expect(help.stdout.contains("USAGE: \((["shipit"] + words).joined(separator: " "))"), "\(words)")
            #expect(help.stdout.contains("EXAMPLE\n"), "\(words)")
        }
        #expect(await world.shipit("--version").stdout == "\(Versions.shipit)\n")
    }

    @Test func `help fills the lines of a narrow terminal`() async throws {
        let world = try await World(app: false)
        for words in Self.commands {
            let help = await world.run(["\(World.programs)/shipit"] + words + ["--help"], in: world.path)
            let lines = help.stdout.components(separatedBy: "\n")
            let prose = lines.prefix { !$0.hasPrefix("EXAMPLE") }
            for (line, next) in zip(prose, prose.dropFirst()) where !line.isEmpty && !next.isEmpty {
                let word = next.prefix { $0 != " " }
                #expect(line.count + 1 + word.count >= 80, "\(words): \(line)")
            }
        }
    }

    @Test func `a command that nobody knows is named, and so is the one that was meant`() async throws {
        let world = try await World(app: false)
        let near = await world.shipit("promte")
        #expect(near.stderr == "error: there is no command promte\n  hint: did you mean shipit promote?\n")
        #expect(await world.shipit("nonsense").stderr.contains("hint: shipit --help lists them"))
        #expect(await world.shipit("pause", "--reason", "x", "--app", "blog").status == 64, "it is about all apps")
    }

    @Test(arguments: [
        ["nonsense"], ["status", "--nonsense"], ["promote", "a", "b"], ["runs", "--limit", "0"],
        ["runs", "--limit", "many"], ["hold"],
        ["init"], ["show"], ["cancel", "x"], ["start", "--rebuild=yes"],
    ])
    func `words that are wrong end with 64 and an error`(words: [String]) async throws {
        let world = try await World(app: false)
        let result = await world.run(["\(World.programs)/shipit"] + words, in: world.path)
        #expect(result.status == 64 && result.stdout == "", "\(result)")
        #expect(result.stderr.hasPrefix("error: "), "\(result.stderr)")
        #expect(result.stderr.dropFirst("error: ".count).first?.isUppercase == false)
    }

    @Test func `where there is no shipit, that is said with what to do`() async throws {
        let world = try await World(app: false)
        for words in [["status"], ["runs"], ["promote"], ["work"], ["rollback"], ["env", "list", "staging"]] {
            let result = await world.run(["\(World.programs)/shipit"] + words, in: world.path)
            #expect(result.status == 69, "\(words)")
            #expect(
                result.stderr
                    == "error: there is no shipit in \(world.home)\n  hint: shipit init REPOSITORY makes the first app\n"
            )
        }
        #expect(!world.exists(world.home), "looking makes nothing")
        let relative = await world.shipit("status", environment: ["SHIPIT_HOME": "relative"])
        #expect(
            relative.status == 64 && relative.stderr.hasPrefix("error: SHIPIT_HOME is not an absolute path: relative\n")
        )
    }

    @Test func `what there is nothing for ends with 69`() async throws {
        let world = try await World()
        for words in [
            ["promote"], ["rollback"], ["reject"], ["cancel"], ["retry"], ["unhold", "staging"], ["show", "7"], ["log"],
            ["log", "7"],
            ["start", "no-such-branch"], ["status", "--app", "blgo"], ["env", "unset", "staging", "NOTHING"], ["plan"],
        ] {
            let result = await world.run(["\(World.programs)/shipit"] + words, in: world.path)
            #expect(result.status == 69 && result.stdout == "", "\(words): \(result)")
            #expect(
                result.stderr.wholeMatch(of: /error: [^A-Z][^\n]*[^.\n]\n  hint: [^\n]+\n/) != nil,
                "\(words): \(result.stderr)")
        }
        let misspelled = await world.shipit("status", "--app", "blgo")
        #expect(misspelled.stderr == "error: there is no app blgo\n  hint: did you mean blog?\n")
        let environment = await world.shipit("hold", "prodution", "--reason", "x")
        #expect(
            environment.status == 64
                && environment.stderr == "error: blog has no environment prodution\n  hint: did you mean production?\n")
    }

    @Test func `a policy that is wrong ends with 65 and all that is wrong with it`() async throws {
        let world = try await World()
        let file = "\(world.home)/apps/blog/pipeline.yml"
        try world.write(
            "app: blog\nrepository: \(world.repository)\ncolor: red\nenvironments: []\n", to: file, mode: 0o600)
        for words in [["status"], ["apps"], ["promote"], ["start"]] {
            let result = await world.run(["\(World.programs)/shipit"] + words, in: world.path)
            #expect(result.status == 65, "\(words): \(result)")
            #expect(result.stderr.contains("error: \(file):3:1: unknown key \"color\" in pipeline.yml"))
            #expect(
                result.stderr.contains(
                    "error: \(file):4:15: environments wants at least one entry with name and targets"))
        }
        try world.setPolicy(environments: "environments:\n  - name: staging\n    targets: [\(world.home)/inside]")
        let nested = await world.shipit("status")
        #expect(
            nested.status == 65
                && nested.stderr.contains(
                    "the target \(world.home)/inside and shipit's home \(world.home) lie inside one another")
        )
    }

    @Test func `a ledger that cannot be used ends with 2 and says why`() async throws {
        let world = try await World()
        try world.write(
            "this is no ledger, and it is long enough to look like one\n", to: "\(world.home)/ledger.sqlite")
        let result = await world.shipit("status")
        #expect(result.status == 2, "\(result)")
        #expect(result.stderr.hasPrefix("error: the ledger \(world.home)/ledger.sqlite is damaged: "))
    }

    @Test func `a home that is another's is refused with the command that helps`() async throws {
        try await withKnownRoot { world in
            chown(world.home, 65534, 65534)
            let result = await world.shipit("status")
            #expect(result.status == 2)
            #expect(
                result.stderr
                    == "error: \(world.home) belongs to nobody, and you are root\n  hint: sudo -u nobody shipit …\n")
            chown(world.home, 0, 0)
            let other = await world.run(
                [
                    "/usr/bin/setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                    "\(World.programs)/shipit", "status",
                ], in: world.path)
            #expect(other.status == 2 && other.stderr.contains("belongs to root, and you are nobody"), "\(other)")
            chmod(world.home, 0o777)
            #expect(
                await world.shipit("status").stderr
                    == "error: \(world.home) may be written by others (mode 777)\n  hint: chmod 711 \(world.home)\n")
        }
    }

    /// Another's files can be made only by root.
    private func withKnownRoot(_ body: (World) async throws -> Void) async throws {
        guard geteuid() == 0 else { return }
        try await body(try await World())
    }

    @Test func `a failed run ends its command with 1, and one that shipit could not do with 2`() async throws {
        let world = try await World()
        try await world.ship(world.hooks(["ValidateService": "exit 1"]))
        let failed = await world.shipit("start")
        #expect(failed.status == 1 && failed.stdout == "", "\(failed)")
        try await world.ship(world.hooks(runas: "no-such-user"))
        let errored = await world.shipit("start")
        #expect(errored.status == 2)
        try await world.settled()
    }

    @Test func `detach prints the run's number and nothing else`() async throws {
        let world = try await World()
        await world.push()
        let result = await world.shipit("promote", "--detach")
        #expect(result.status == 0 && result.stdout == "1\n" && result.stderr == "", "\(result)")
        let start = await world.shipit("start", "--detach")
        #expect(start.stdout == "2\n")
        try await world.settled()
        #expect(world.current(world.production) == "one\n")
    }

    @Test func `Ctrl-C leaves a run that goes on`() async throws {
        let world = try await World(extra: "build: {sandbox: off}")
        try await world.commit([
            "buildspec.yml":
                "version: 0.2\nphases: {build: {commands: ['while [ ! -e \(world.path)/go ]; do sleep 0.02; done']}}\n"
        ])
        await world.push("-o", "detach", "main")
        try await eventually("the build runs") { world.log(1, "build").contains("$ while") }
        let log = world.startShipit("log", "1", "-f")
        try await eventually("it follows") { log.stdout.contains("$ while") }
        log.signal(SIGINT)
        let left = await log.end()
        #expect(left.status == 130 && left.stderr == "\nrun 1 goes on; shipit log 1 -f follows it\n", "\(left)")
        let start = world.startShipit("start")
        try await eventually("it follows") { start.stderr.contains("build queued") }
        start.signal(SIGINT)
        let gone = await start.end()
        #expect(gone.status == 130)
        #expect(gone.stderr.hasSuffix("run 2 goes on; shipit log 2 -f follows it, shipit cancel 2 stops it\n"))
        try world.write("", to: "\(world.path)/go")
        try await eventually("both end") {
            try await world.runs().allSatisfy {
                $0["status"] as? String == "waiting" || $0["status"] as? String == "superseded"
            }
        }
        try await world.settled()
    }

    @Test func `nothing is coloured where nobody looks`() async throws {
        let world = try await World()
        try await world.ship(world.hooks(["ValidateService": "exit 1"]))
        for words in [
            ["status"], ["runs"], ["revisions"], ["show", "1"], ["log", "1"], ["apps"], ["artifacts"], ["start"],
        ] {
            let result = await world.run(["\(World.programs)/shipit"] + words, in: world.path)
            #expect(!result.text.contains("\u{1B}"), "\(words)")
        }
        // On a terminal there is colour, unless it is refused.
        let shipit = "\(World.programs)/shipit"
        let plain = await world.run(
            ["/usr/bin/script", "-qec", "\(shipit) runs", "/dev/null"], in: world.path,
            environment: ["NO_COLOR": "1", "TERM": "xterm"])
        #expect(!plain.stdout.contains("\u{1B}") && plain.stdout.contains("failed"))
        let coloured = await world.run(
            ["/usr/bin/script", "-qec", "\(shipit) runs", "/dev/null"], in: world.path, environment: ["TERM": "xterm"])
        #expect(coloured.stdout.contains("\u{1B}[31mfailed\u{1B}[0m"), "\(coloured)")
        try await world.settled()
    }

    @Test func `answers go to stdout and conversation to stderr`() async throws {
        let world = try await World()
        let empty = await world.shipit("runs")
        #expect(empty.stdout == "" && empty.stderr == "there are no runs yet; git push makes the first\n")
        await world.push()
        let plan = await world.shipit("plan")
        #expect(
            plan.stderr.hasPrefix("next: shipit promote ") && plan.stdout.hasPrefix("production: nothing → "), "\(plan)"
        )
        #expect(await world.shipit("status").stderr == "")
        // A reader that leaves is no failure.
        let pipe = await world.run(["/bin/sh", "-c", "\(World.programs)/shipit runs | true"], in: world.path)
        #expect(pipe.status == 0 && pipe.stderr == "")
        try await world.settled()
    }
}

@Suite struct JSONShapeTests {
    private func keys(_ value: Any?) -> Set<String> { Set((value as? [String: Any])?.keys.map { $0 } ?? []) }

    private func isTime(_ value: Any?) -> Bool {
        guard let text = value as? String else { return false }
        let pattern = #"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"#
        return text.range(of: pattern, options: .regularExpression) != nil
    }

    @Test func `status has the documented names, and null where there is nothing`() async throws {
        let world = try await World()
        var app = try #require(((try await world.json("status") as? [String: Any])?["apps"] as? [[String: Any]])?.first)
        #expect(keys(app) == ["app", "environments", "runs", "silent", "fetch"])
        var staging = try #require((app["environments"] as? [[String: Any]])?.first)
        #expect(keys(staging).isSuperset(of: ["name", "live", "previous", "held", "waiting", "targets"]))
        for name in ["live", "previous", "held", "waiting"] { #expect(staging[name] is NSNull, "\(name)") }
        let target = try #require((staging["targets"] as? [[String: Any]])?.first)
        #expect(
            target["path"] as? String == world.staging && target["release"] is NSNull && target["revision"] is NSNull)

        let revision = try await world.ship().revision
        try world.must(await world.shipit("hold", "staging", "--reason", "the sale", "--until", "2h"))
        try await world.settled()
        app = try #require(((try await world.json("status") as? [String: Any])?["apps"] as? [[String: Any]])?.first)
        let environments = try #require(app["environments"] as? [[String: Any]])
        staging = environments[0]
        let live = try #require(staging["live"] as? [String: Any])
        #expect(keys(live) == ["revision", "release", "deployment", "at", "emergency"])
        #expect(
            live["revision"] as? String == revision && live["release"] as? Int == 1 && live["deployment"] as? Int == 1
                && isTime(live["at"]))
        let held = try #require(staging["held"] as? [String: Any])
        #expect(keys(held) == ["kind", "reason", "by", "since", "until"])
        #expect(
            held["kind"] as? String == "hold" && held["reason"] as? String == "the sale" && isTime(held["since"])
                && isTime(held["until"]))
        let waiting = try #require(environments[1]["waiting"] as? [String: Any])
        #expect(keys(waiting).isSuperset(of: ["for", "command"]))
        #expect(waiting["for"] as? String == "promotion")
        #expect(waiting["command"] as? String == "shipit promote \(revision.prefix(7)) --to production")
        let there = try #require((staging["targets"] as? [[String: Any]])?.first)
        #expect(there["release"] as? Int == 1 && there["revision"] as? String == revision)
        let runs = try #require(app["runs"] as? [[String: Any]])
        #expect(runs.count == 1 && runs[0]["status"] as? String == "waiting")
    }

    @Test func `runs and revisions have the documented names`() async throws {
        let world = try await World()
        let first = try await world.ship([:], "one \"quoted\" subject").revision
        var bad = world.hooks(["ValidateService": "exit 1"])
        bad["index.html"] = "two\n"
        try await world.ship(bad)
        try await world.settled()
        let runs = try await world.runs()
        #expect(
            keys(runs[0]).isSuperset(of: ["run", "kind", "app", "revision", "reference", "status", "reason", "jobs"]))
        #expect(
            runs[1]["run"] as? Int == 1 && runs[1]["kind"] as? String == "push" && runs[1]["app"] as? String == "blog")
        #expect(runs[1]["revision"] as? String == first && runs[1]["reference"] as? String == "refs/heads/main")
        let jobs = try #require(runs[1]["jobs"] as? [[String: Any]])
        #expect(jobs.map { $0["name"] as? String } == ["build", "staging", "production"])
        #expect(jobs.map { $0["status"] as? String } == ["succeeded", "succeeded", "waiting"])
        #expect(keys(jobs[0]).isSuperset(of: ["name", "status", "reason"]))
        #expect(jobs[0]["reason"] is NSNull && jobs[2]["reason"] as? String == "for promotion; shipit promote")

        let revisions = try await world.revisions("staging")
        let documented: Set<String> = [
            "environment", "deployment", "run", "release", "revision", "subject", "author", "by", "at", "duration",
            "outcome", "live",
            "previous", "bad",
        ]
        #expect(keys(revisions[0]).isSuperset(of: documented))
        #expect(revisions.map { $0["outcome"] as? String } == ["failed", "succeeded"])
        #expect(revisions.map { $0["live"] as? Bool } == [false, true])
        #expect(
            revisions[1]["subject"] as? String == "one \"quoted\" subject" && revisions[1]["author"] as? String == "Ann"
        )
        #expect(revisions[1]["duration"] is Double && isTime(revisions[1]["at"]))
        #expect(revisions[1]["previous"] as? Bool == false && revisions[1]["bad"] as? Bool == false)
    }

    @Test func `only the latest row of the live release is live`() async throws {
        let world = try await World()
        try await world.ship()
        try await world.ship(["index.html": "two\n"])
        try world.must(await world.shipit("rollback", "staging"))
        try await world.settled()
        let revisions = try await world.revisions("staging")
        #expect(revisions.map { $0["live"] as? Bool } == [true, false, false])
        #expect(revisions.map { $0["previous"] as? Bool } == [false, true, false])
        #expect(revisions.map { $0["bad"] as? Bool } == [false, true, false])
        #expect(revisions.map { $0["release"] as? Int } == [1, 2, 1])
    }

    @Test func `every list is JSON when it is empty`() async throws {
        let world = try await World()
        for words in [["runs"], ["runs", "--pushes"], ["revisions"], ["artifacts"], ["env", "list", "staging"]] {
            let result = await world.run(["\(World.programs)/shipit"] + words + ["--json"], in: world.path)
            #expect(result.stdout == "[]\n" && result.stderr == "" && result.status == 0, "\(words)")
        }
        #expect(try await world.json("apps") as? [[String: Any]] != nil)
    }
}
