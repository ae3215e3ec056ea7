import ArgumentParser
import Foundation
import GitKit
import Shipit

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "What is live where, what runs, what waits and for what, what is held.",
        discussion: "EXAMPLE\n  shipit status\n  shipit status --json")

    @OptionGroup var json: JSONOption
    @OptionGroup var options: Options

    func run() throws {
        let terminal = Terminal()
        let installation = try options.installation()
        var apps = installation.apps()
        if let name = options.app { apps = ([try installation.app(name)], []) }
        for app in apps.apps {
            // A policy that was edited may let go what waits, which no worker may be left to see; looking works without.
            try? installation.ledger.look(under: app.policy)
        }
        let deadline = ContinuousClock.now + .milliseconds(200)
        let statuses = try apps.apps.map { try AppStatus(installation, $0, until: deadline) }
        let pause = try installation.ledger.pause()
        if json.json {
            let paused: JSON =
                pause.map { ["by": .string($0.by), "reason": .string($0.reason), "since": JSON($0.since)] } ?? .null
            terminal.answer(["apps": .array(statuses.map(\.json)), "paused": paused])
        } else {
            if let pause {
                let text = "everything is paused by \(pause.by) since \(pause.since.local)"
                terminal.answer("\(terminal.painted(text, .yellow)): \(pause.reason); shipit resume")
            }
            for (index, status) in statuses.enumerated() {
                if index > 0 { terminal.answer("") }
                status.show(terminal)
            }
            if statuses.isEmpty, apps.problems.isEmpty {
                terminal.say("there are no apps yet; shipit init REPOSITORY makes the first")
            }
        }
        var status: Int32 = 0
        for problem in apps.problems { status = max(status, terminal.complain(problem)) }
        if status != 0 { throw Ending(status: status) }
        if !json.json, let wakesAt = statuses.compactMap(\.wakesAt).min(), !WorkerStarter.isAnybodyAtWork(installation)
        {
            terminal.say(
                "no worker was left to go on at \(wakesAt.local), so one is started; shipit serve is there after a restart too"
            )
        }
        try? WorkerStarter.startIfNeeded(installation, program: OwnProgram.path)  // looking must work without it
    }
}

/// One app's environments and open runs.
private struct AppStatus {
    let installation: Installation
    let app: App
    let environments: [(policy: EnvironmentPolicy, state: EnvironmentState)]
    let runs: [RunRecord]
    /// The newest run.
    let last: RunRecord?
    /// Destinations of notifications that do not answer.
    let silent: [DestinationState]
    /// Nil for a repository of this machine.
    let fetching: FetchRecord?
    /// Until when what is live may be looked at: the answer comes at once, however much there is.
    let deadline: ContinuousClock.Instant

    init(_ installation: Installation, _ app: App, until deadline: ContinuousClock.Instant) throws {
        self.installation = installation
        self.deadline = deadline
        self.app = app
        environments = try app.pipeline.environments.map {
            ($0, try installation.ledger.environment(app.name, $0.name))
        }
        runs = try installation.ledger.openRuns(app: app.name)
        last = try installation.ledger.runs(app: app.name, limit: 1).first
        silent = try installation.ledger.destinations(app: app.name).filter { $0.failingSince != nil }
        fetching = try app.pipeline.remote.flatMap { _ in try installation.ledger.fetchRecord(of: app.name) }
    }

    private func drift(_ policy: EnvironmentPolicy, _ store: String) -> Drift? {
        Drift.of(policy, at: store, until: min(deadline, .now + .milliseconds(40)))
    }

    private func waiting(_ environment: String) -> (record: RunRecord, job: Job)? {
        runs.reversed().compactMap { record in record.jobs.last.map { (record, $0) } }
            .first { $0.1.name == environment && $0.1.status == .waiting }
    }

    private func command(_ record: RunRecord, _ job: Job) -> String {
        let flag = Options.flag(app.name, installation)
        if job.kind == .deploy, app.pipeline.environment(job.name) == nil { return "shipit cancel \(record.run.id)" }
        return switch job.waits {
        case .hold: "shipit unhold \(job.name)\(flag)"
        case .pause: "shipit resume"
        case .approval: "shipit approve \(record.run.id)\(flag)"
        case .turn: "shipit show \(runBefore(record, job))"
        case .soak, .window, .freeze:
            "shipit promote \(record.run.revision.abbreviated()) --to \(job.name)\(flag) --emergency --reason TEXT"
        case .promotion, nil: "shipit promote \(record.run.revision.abbreviated()) --to \(job.name)\(flag)"
        }
    }

    /// Whose turn it is.
    private func runBefore(_ record: RunRecord, _ job: Job) -> Int64 {
        let older = runs.first { $0.run.id < record.run.id && [job.name, "build"].contains($0.jobs.last?.name) }
        return (older ?? record).run.id
    }

    /// When somebody has to look again at what waits for a time.
    var wakesAt: Timestamp? { runs.compactMap { $0.jobs.last?.wakesAt }.min() }

    func show(_ terminal: Terminal) {
        terminal.answer("\(terminal.painted(app.name, .bold))  \(app.pipeline.repository)")
        if let fetching { terminal.answer("  \(fetching.trouble ?? fetching.words)") }
        var table = Table("  ENVIRONMENT", "LIVE", "RELEASE", "SINCE", "BY", "SUBJECT")
        for (policy, state) in environments {
            if let live = state.live {
                table.add(
                    "  \(policy.name)",
                    live.revision.abbreviated() + (live.isEmergency ? terminal.painted(" EMERGENCY", .red) : ""),
                    live.release.map { "\($0)" } ?? "",
                    (live.endedAt ?? live.createdAt).local,
                    live.by, Subjects.of(live.revision, in: installation, app.name) ?? "")
            } else {
                table.add("  \(policy.name)", "-", "", "", "", "nothing yet")
            }
        }
        terminal.answer(table)
        for (policy, state) in environments {
            if let live = state.live, live.status != .succeeded {
                terminal.answer(
                    "  \(policy.name): \(terminal.painted(live.status)) and left as it is: \(live.reason ?? "")")
            }
            for (path, store) in zip(policy.targets, installation.home.stores(app.name, policy)) {
                guard let drift = drift(policy, store), drift.isThere else { continue }
                terminal.answer(
                    "  \(policy.name): \(terminal.painted("drift", .yellow)) in \(path): \(drift.words); shipit verify \(policy.name)"
                )
            }
            if let hold = state.hold {
                let until = hold.until.map { " until \($0.local)" } ?? ""
                let what = hold.kind == .hold ? "held" : "no automatic promotion"
                terminal.answer(
                    "  \(policy.name): \(terminal.painted(what, .yellow))\(until), \(hold.by): \(hold.reason)")
            }
        }
        for record in runs {
            guard let job = record.jobs.last else { continue }
            let what =
                "  run \(record.run.id) \(record.run.revision.abbreviated()): \(job.name) \(terminal.painted(job.status))"
            guard job.status == .waiting else {
                terminal.answer(what + (job.reason.map { ": \($0)" } ?? ""))
                continue
            }
            var waiting = Waiting(job)
            let command = command(record, job)
            if job.waits == .promotion { waiting.name(command) }
            for line in waiting.lines(what, ": ", indent: "    ") { terminal.answer(line) }
            if job.waits != .turn, !waiting.saysCommand { terminal.answer("    next: \(command)") }
        }
        if let last, last.status == .failed || last.status == .errored, let job = last.jobs.last {
            terminal.answer(
                "  run \(last.run.id) \(last.run.revision.abbreviated()): \(job.name) \(terminal.painted(job.status)); shipit log \(last.run.id), shipit retry \(last.run.id)"
            )
        }
        for state in silent {
            let since = state.failingSince.map { " since \($0.local)" } ?? ""
            let what = terminal.painted("does not answer\(since)", .yellow)
            terminal.answer("  notify: \(state.name) \(what): \(state.reason ?? "")")
        }
    }

    var json: JSON {
        [
            "app": .string(app.name),
            "environments": .array(environments.map { json($0.policy, $0.state) }),
            "runs": .array(runs.map(\.json)),
            "silent": .array(silent.map(\.json)),
            "fetch": fetching?.json ?? .null,
        ]
    }

    private func json(_ policy: EnvironmentPolicy, _ state: EnvironmentState) -> JSON {
        var waits: JSON = .null
        if let (record, job) = waiting(policy.name) {
            waits = [
                "for": .string(job.waits?.rawValue ?? ""), "run": JSON(record.run.id),
                "reason": JSON(job.reason), "until": JSON(job.wakesAt), "command": .string(command(record, job)),
            ]
        }
        var held: JSON = .null
        if let hold = state.hold {
            held = [
                "kind": .string(hold.kind.rawValue), "reason": .string(hold.reason), "by": .string(hold.by),
                "since": JSON(hold.since), "until": JSON(hold.until),
            ]
        }
        return [
            "name": .string(policy.name), "live": Self.json(state.live), "previous": Self.json(state.previous),
            "held": held,
            "waiting": waits,
            "targets": .array(
                zip(policy.targets, installation.home.stores(app.name, policy)).map { path, store in
                    let live = LiveRelease(at: store)
                    return [
                        "path": .string(path), "release": JSON(live?.number),
                        "revision": JSON(live.flatMap { whole($0, state) }),
                        "drift": drift(policy, store).map {
                            ["edited": JSON($0.edited), "missing": JSON($0.missing), "extra": JSON($0.extra)]
                        } ?? .null,
                    ]
                }),
        ]
    }

    /// The whole revision of what lies in the target, when the ledger knows it.
    private func whole(_ live: LiveRelease, _ state: EnvironmentState) -> String? {
        for deployment in [state.live, state.previous].compactMap(\.self)
        where deployment.revision.hex.hasPrefix(live.revision) { return deployment.revision.hex }
        return live.revision
    }

    private static func json(_ deployment: Deployment?) -> JSON {
        guard let deployment else { return .null }
        return [
            "revision": JSON(deployment.revision), "release": JSON(deployment.release),
            "deployment": JSON(deployment.id),
            "at": JSON(deployment.endedAt ?? deployment.createdAt), "emergency": .bool(deployment.isEmergency),
        ]
    }
}

extension RunRecord {
    var json: JSON {
        [
            "run": JSON(run.id), "kind": .string(run.kind.rawValue), "app": .string(run.app),
            "revision": JSON(run.revision),
            "reference": JSON(run.reference), "status": .string(status.rawValue), "reason": JSON(reason),
            "by": .string(run.by), "at": JSON(run.createdAt), "emergency": .bool(isEmergency), "entry": JSON(run.entry),
            "goal": JSON(run.goal),
            "jobs": .array(
                jobs.map {
                    [
                        "name": .string($0.name), "status": .string($0.status.rawValue), "reason": JSON($0.reason),
                        "attempt": JSON($0.attempt), "started_at": JSON($0.startedAt), "ended_at": JSON($0.endedAt),
                        "duration": JSON($0.duration),
                    ]
                }),
        ]
    }
}
