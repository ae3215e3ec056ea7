import ArtifactKit
import ArgumentParser
import Foundation
import GitKit
import Shipit

struct RunsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "runs", abstract: "The runs, newest first; or the pushes, also those that shipped nothing.",
        discussion: "EXAMPLE\n  shipit runs\n  shipit runs --pushes")

    @Flag(name: .long, help: "Pushes, with the reason for everything that did not ship.") var pushes = false
    @Option(name: .shortAndLong, help: ArgumentHelp("How many.", valueName: "number")) var limit = 20
    @OptionGroup var json: JSONOption
    @OptionGroup var options: Options

    func validate() throws {
        guard (1...100_000).contains(limit) else { throw ValidationError("--limit wants a number from 1 to 100000") }
    }

    func run() throws {
        let terminal = Terminal()
        let installation = try options.installation()
        let app = try options.appFilter(installation)
        if pushes { return try show(try installation.ledger.pushes(app: app, limit: limit), terminal) }
        let runs = try installation.ledger.runs(app: app, limit: limit)
        if json.json { return terminal.answer(.array(runs.map(\.json))) }
        var table = Table("RUN", "APP", "KIND", "REVISION", "STATUS", "AT", "BY", "REASON")
        for record in runs {
            let job = record.jobs.last.map { "\($0.name) " } ?? ""
            let emergency = record.isEmergency ? terminal.painted(" EMERGENCY", .red) : ""
            table.add(
                "\(record.run.id)", record.run.app, record.run.kind.rawValue, record.run.revision.abbreviated(),
                job + terminal.painted(record.status) + emergency, record.run.createdAt.local, record.run.by,
                record.reason ?? record.run.reason ?? "")
        }
        table.isEmpty ? terminal.say("there are no runs yet; git push makes the first") : terminal.answer(table)
    }

    private func show(_ pushes: [PushRecord], _ terminal: Terminal) throws {
        if json.json {
            terminal.answer(
                .array(
                    pushes.map { push in
                        [
                            "push": JSON(push.id), "by": .string(push.by), "at": JSON(push.at),
                            "options": .array(push.options.map(JSON.string)),
                            "updates": .array(
                                push.updates.map {
                                    [
                                        "app": .string($0.app), "reference": .string($0.reference),
                                        "old": .string($0.old),
                                        "new": .string($0.new), "run": JSON($0.run), "reason": JSON($0.reason),
                                    ]
                                }),
                        ]
                    }))
            return
        }
        var table = Table("PUSH", "AT", "BY", "APP", "REFERENCE", "NEW", "RUN", "REASON")
        for push in pushes {
            for update in push.updates {
                table.add(
                    "\(push.id)", push.at.local, push.by, update.app, ReferenceName(escaped: update.reference).short,
                    String(update.new.prefix(7)), update.run.map { "\($0)" } ?? "-", update.reason ?? "")
            }
        }
        table.isEmpty ? terminal.say("there are no pushes yet") : terminal.answer(table)
    }
}

struct RevisionsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revisions", abstract: "The deployed revisions, newest first.",
        discussion: "EXAMPLE\n  shipit revisions production\n  shipit revisions --json")

    @Argument(help: "The environment (default: all).") var environment: String?
    @Option(name: .shortAndLong, help: ArgumentHelp("How many.", valueName: "number")) var limit = 50
    @OptionGroup var json: JSONOption
    @OptionGroup var options: Options

    func validate() throws {
        guard (1...100_000).contains(limit) else { throw ValidationError("--limit wants a number from 1 to 100000") }
    }

    func run() throws {
        let terminal = Terminal()
        let installation = try options.installation()
        let app = try options.chosenApp(installation)
        let name = try environment.map { try app.environment($0).name }
        let deployments = try installation.ledger.deployments(app: app.name, environment: name, limit: limit)
        let marks = try Marks(installation, app)
        // The repository gives subjects and authors; the list must not need it.
        let repository = try? app.repository()
        let rows = deployments.map { Row($0, marks, try? repository?.commit($0.revision)) }
        if json.json { return terminal.answer(.array(rows.map(\.json))) }
        var table = Table("AT", "ENVIRONMENT", "RELEASE", "REVISION", "OUTCOME", "BY", "RUN", "SUBJECT")
        for row in rows { row.add(to: &table, terminal) }
        table.isEmpty ? terminal.say("nothing was deployed yet; git push deploys") : terminal.answer(table)
    }

    /// What is live, what was before, and what is marked bad.
    private struct Marks {
        var live: [String: Deployment] = [:]
        var previous: [String: Deployment] = [:]
        var bad: [String: [Revision: BadMark]] = [:]

        init(_ installation: Installation, _ app: App) throws {
            for environment in app.pipeline.environments {
                let state = try installation.ledger.environment(app.name, environment.name)
                live[environment.name] = state.live
                previous[environment.name] = state.previous
                bad[environment.name] = try installation.ledger.badMarks(app: app.name, environment: environment.name)
            }
        }
    }

    private struct Row {
        let deployment: Deployment
        let isLive: Bool
        let isPrevious: Bool
        let bad: BadMark?
        let commit: Commit?

        init(_ deployment: Deployment, _ marks: Marks, _ commit: Commit?) {
            self.deployment = deployment
            self.commit = commit
            isLive = marks.live[deployment.environment]?.id == deployment.id
            isPrevious = marks.previous[deployment.environment]?.id == deployment.id
            bad = marks.bad[deployment.environment]?[deployment.revision]
        }

        func add(to table: inout Table, _ terminal: Terminal) {
            var outcome = terminal.painted(deployment.status)
            if deployment.kind == .rollback { outcome += " rollback" }
            if isLive { outcome += terminal.painted(" (live)", .bold) }
            if isPrevious { outcome += " (previous)" }
            if bad != nil { outcome += terminal.painted(" (bad)", .red) }
            if deployment.irreversible != nil { outcome += terminal.painted(" (irreversible)", .yellow) }
            if deployment.isEmergency { outcome += terminal.painted(" EMERGENCY", .red) }
            table.add(
                deployment.createdAt.local, deployment.environment, deployment.release.map { "\($0)" } ?? "-",
                deployment.revision.abbreviated(), outcome, deployment.by, "\(deployment.run)",
                deployment.status == .succeeded ? commit.map { visibleLine($0.summary) } ?? "" : deployment.reason ?? ""
            )
        }

        var json: JSON {
            [
                "environment": .string(deployment.environment), "deployment": JSON(deployment.id),
                "run": JSON(deployment.run),
                "kind": .string(deployment.kind.rawValue), "release": JSON(deployment.release),
                "revision": JSON(deployment.revision), "subject": JSON(commit?.summary),
                "author": JSON(commit?.author.name),
                "by": .string(deployment.by), "at": JSON(deployment.endedAt ?? deployment.createdAt),
                "duration": JSON(deployment.duration), "outcome": .string(deployment.status.rawValue),
                "reason": JSON(deployment.reason), "live": .bool(isLive), "previous": .bool(isPrevious),
                "bad": .bool(bad != nil), "bad_reason": JSON(bad?.reason),
                "irreversible": JSON(deployment.irreversible),
                "emergency": .bool(deployment.isEmergency),
            ]
        }
    }
}

struct ArtifactsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "artifacts", abstract: "The artifacts, newest first.",
        discussion: "EXAMPLE\n  shipit artifacts\n  tar --zstd -tf $(shipit artifacts --json | jq -r .[0].path)")

    @OptionGroup var json: JSONOption
    @OptionGroup var options: Options

    func run() throws {
        let terminal = Terminal()
        let installation = try options.installation()
        let app = try options.appFilter(installation)
        let artifacts = try installation.ledger.artifacts(app: app)
        if json.json {
            terminal.answer(
                .array(
                    artifacts.map {
                        [
                            "app": .string($0.app), "revision": JSON($0.revision),
                            "digest": JSON($0.digest?.description),
                            "size": JSON($0.size), "path": .string(installation.home.artifact($0.app, $0.file)),
                            "run": JSON($0.run), "at": JSON($0.createdAt),
                        ]
                    }))
            return
        }
        var table = Table("APP", "REVISION", "SHA256", "SIZE", "RUN", "MADE", "FILE")
        for artifact in artifacts {
            table.add(
                artifact.app, artifact.revision.abbreviated(),
                artifact.digest.map { String($0.description.prefix(12)) } ?? "–",
                artifact.digest == nil ? "–" : size(artifact.size), "\(artifact.run)", artifact.createdAt.local,
                artifact.file)
        }
        table.isEmpty
            ? terminal.say("there are no artifacts yet; git push makes the first") : terminal.answer(table)
    }
}

/// Bytes as people say them.
func size(_ bytes: Int64) -> String { bytes.spokenSize }

struct LogCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log", abstract: "A run's output; -f follows it, and reattaches to one that is under way.",
        discussion: """
            Lines of shipit begin with *, commands with $, and what programs wrote with |.

            EXAMPLE
              shipit log 42
              shipit log -f
            """)

    @Argument(help: ArgumentHelp("The run (default: the last one).", valueName: "run")) var number: Int64?
    @Flag(name: .shortAndLong, help: "Go on as it grows, until the run ends or waits.") var follow = false
    @OptionGroup var options: Options

    func run() async throws {
        let terminal = Terminal()
        let installation = try options.installation()
        let record: RunRecord?
        if let number {
            record = try installation.ledger.run(number)
        } else {
            record = try installation.ledger.runs(app: try options.appFilter(installation), limit: 1).first
        }
        guard let record else {
            throw number.map(noSuchRun) ?? ShipitError(.unavailable, "there are no runs yet", hint: "git push")
        }
        Interruption.explain("run \(record.run.id) goes on; shipit log \(record.run.id) -f follows it")
        var shown: [String: UInt64] = [:]
        let watch = try LedgerWatch(installation)
        while true {
            let now = try installation.ledger.run(record.run.id) ?? record
            for job in now.jobs { show(job, &shown, installation, terminal) }
            if try !follow || installation.ledger.isAtRest(now) { return }
            await watch.wait(.milliseconds(200))
        }
    }

    private func show(_ job: Job, _ shown: inout [String: UInt64], _ installation: Installation, _ terminal: Terminal) {
        // A job that has not begun has no log yet.
        guard let file = try? FileHandle(forReadingFrom: URL(fileURLWithPath: installation.home.log(job.run, job.name)))
        else { return }
        defer { try? file.close() }  // read only: nothing to lose
        if shown[job.name] == nil {
            terminal.answer(terminal.painted("== \(job.name)", .bold))
            shown[job.name] = 0
        }
        try? file.seek(toOffset: shown[job.name] ?? 0)  // a log that shrank is read from wherever that is
        while let data = try? file.read(upToCount: 1 << 20), !data.isEmpty {
            // Whole lines only, and no line is as long as this; the rest comes with the next look.
            guard let end = data.lastIndex(of: UInt8(ascii: "\n")) else { return }
            let lines = data[...end]
            shown[job.name, default: 0] += UInt64(lines.count)
            terminal.answer(String(decoding: lines.dropLast(), as: UTF8.self))
            if lines.count < data.count { try? file.seek(toOffset: shown[job.name] ?? 0) }  // as above
        }
    }
}
