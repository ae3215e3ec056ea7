import ArgumentParser
import GitKit
import Shipit

struct ShowCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "One run, deployment or revision.",
        discussion: """
            Of a revision: where it went live, when, who brought it and why, what it passed before, who approved it, how \
            long it was live, and what came instead; then its runs.

            EXAMPLE
              shipit show 42
              shipit show deployment:17
              shipit show 3f2a91c
            """)

    @Argument(help: "A run's number, deployment:NUMBER, or a revision.") var what: String
    @OptionGroup var json: JSONOption
    @OptionGroup var options: Options

    func run() throws {
        let terminal = Terminal()
        let installation = try options.installation()
        let ledger = installation.ledger
        if what.hasPrefix("deployment:"), let id = Int64(what.dropFirst("deployment:".count)) {
            guard let deployment = try ledger.deployment(id), let record = try ledger.run(deployment.run) else {
                throw ShipitError(
                    .unavailable, "there is no deployment \(id)", hint: "shipit revisions --json lists them")
            }
            return try show([record], of: id, installation, terminal)
        }
        if what.utf8.count < 7, let id = Int64(what) {
            guard let record = try ledger.run(id) else { throw noSuchRun(id) }
            return try show([record], installation, terminal)
        }
        let app = try options.chosenApp(installation)
        let revision = try named(what, installation, app)
        let records = try ledger.runs(app: app.name, revision: revision)
        guard !records.isEmpty else {
            throw ShipitError(
                .unavailable, "no run ever shipped \(revision.abbreviated())",
                hint: "shipit start \(revision.abbreviated())")
        }
        if !json.json {
            let subject = Subjects.of(revision, in: installation, app.name) ?? ""
            terminal.answer("\(terminal.painted(revision.abbreviated(), .bold)) \(subject)")
            let stories = try ledger.stories(app: app.name, revision: revision)
            if stories.isEmpty { terminal.answer("  it was never deployed") }
            let order = app.pipeline.environments.map(\.name)
            for name in order + Set(stories.map(\.deployment.environment)).subtracting(order).sorted() {
                for story in stories where story.deployment.environment == name { show(story, terminal) }
            }
            terminal.answer("")
        }
        try show(records, installation, terminal)
    }

    private func show(_ story: DeploymentStory, _ terminal: Terminal) {
        let (heading, rest) = story.lines(terminal)
        terminal.answer("  \(heading)")
        for line in rest { terminal.answer("    \(line)") }
    }

    /// `deployment`: that one's story comes first.
    private func show(
        _ records: [RunRecord], of deployment: Int64? = nil, _ installation: Installation, _ terminal: Terminal
    ) throws {
        let ledger = installation.ledger
        if json.json {
            let values = try records.map { try json(of: $0, installation) }
            return terminal.answer(values.count == 1 ? values[0] : .array(values))
        }
        for record in records {
            let run = record.run
            let subject = Subjects.of(run.revision, in: installation, run.app) ?? ""
            let emergency = record.isEmergency ? terminal.painted(" EMERGENCY", .red) : ""
            terminal.answer(
                "\(terminal.painted("run \(run.id)", .bold)) of \(run.app): \(run.kind.rawValue) by \(run.by), \(run.createdAt.local)\(emergency)"
            )
            terminal.answer("  \(run.revision.hex) \(subject)")
            if let reason = run.reason { terminal.answer("  reason: \(visibleLine(reason))") }
            if let entry = run.entry { terminal.answer("  enters at \(entry)") }
            if let goal = run.goal { terminal.answer("  goes up to \(goal)") }
            for job in record.jobs {
                let time = job.duration.map { " in \(Duration.seconds($0).spoken)" } ?? ""
                let reason = job.reason.map { ": \($0)" } ?? ""
                terminal.answer("  \(job.name) \(terminal.painted(job.status))\(time)\(reason)")
                for line in try approvals(of: job, ledger) { terminal.answer("    \(line)") }
            }
            // A revision's are above already.
            if records.count == 1, Int64(what) != nil || deployment != nil {
                for story in try ledger.stories(of: record) where [nil, story.deployment.id].contains(deployment) {
                    show(story, terminal)
                }
            }
            for line in try Products(record, ledger).lines { terminal.answer("  \(line)") }
            for event in try ledger.events(after: 0, run: run.id, limit: 10_000) {
                terminal.answer("    \(event.at.clock)  \(event.text)")
            }
        }
    }

    /// Of a job that waits still; those of a deployment stand in its story.
    private func approvals(of job: Job, _ ledger: Ledger) throws -> [String] {
        guard job.kind == .deploy, !job.status.isFinal else { return [] }
        return try ledger.approvals(of: job.id).map { approval in
            let signed = approval.isSigned ? ", signed" : ""
            let end = approval.void.map { "void: \($0)" } ?? "until \(approval.expiresAt.local)"
            let reason = approval.reason.map { ": \($0)" } ?? ""
            return "approved by \(approval.by), \(approval.at.local)\(signed), \(end)\(reason)"
        }
    }

    private func json(of record: RunRecord, _ installation: Installation) throws -> JSON {
        guard case .object(var pairs) = record.json else { return record.json }
        let ledger = installation.ledger
        pairs.append(("deployments", .array(try ledger.stories(of: record).map(\.json))))
        pairs += try Products(record, ledger).json
        let events = try ledger.events(after: 0, run: record.run.id, limit: 10_000)
        pairs.append(
            (
                "events",
                .array(
                    events.map {
                        ["at": JSON($0.at), "kind": .string($0.kind.rawValue), "text": .string($0.text)]
                    })
            ))
        return .object(pairs)
    }
}
