import ArgumentParser
import Foundation
import GitKit
import Shipit

/// Follows a run that a command has just made, or prints its number; ends with the run's outcome.
func follow(_ run: Int64, _ installation: Installation, after cursor: Int64 = 0, detach: Bool) async throws {
    let terminal = Terminal()
    try WorkerStarter.startIfNeeded(installation, program: OwnProgram.path)
    if detach {
        terminal.answer("\(run)")
        return
    }
    Interruption.explain("run \(run) goes on; shipit log \(run) -f follows it, shipit cancel \(run) stops it")
    let status = try await Follower(installation: installation, terminal: terminal).follow([run], after: cursor)
    if status != 0 { throw Ending(status: status) }
}

extension ArgumentHelp {
    static let stopFailures: ArgumentHelp = "Go on when what is live cannot be stopped by its own ApplicationStop."
}

struct StartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start", abstract: "Run the pipeline without a new commit.",
        discussion: """
            Uses the artifact that there is; --rebuild makes a new one. Without a revision: what the first branch of the \
            triggers holds now. With --to it goes on to that environment, and you count as who promotes it on the way; \
            an environment with `promotion: none` is where it begins and ends. Builds and hook scripts see the variables \
            of --var, which are no secrets.

            EXAMPLE
              shipit start
              shipit start 3f2a91c --rebuild
              shipit start main --to production --reason "the fix that Ann waits for"
              shipit start topic --to preview --var THEME=dark
            """)

    @Argument(help: "A commit id (4 digits or more), a branch or a tag.") var revision: String?
    @Flag(name: .long, help: "Build again, and deploy what comes of it.") var rebuild = false
    @Flag(name: .long, help: "Go before everything of its kind that is queued.") var next = false
    @Option(name: .long, help: ArgumentHelp("The environment to which it goes.", valueName: "environment")) var to:
        String?
    @Option(name: .customLong("var"), help: ArgumentHelp("A variable of the run.", valueName: "NAME=VALUE"))
    var variables: [String] = []
    @Option(name: .long, help: ArgumentHelp("Why; kept in the history.", valueName: "text")) var reason: String?
    @OptionGroup var following: FollowOption
    @OptionGroup var options: Options

    func run() async throws {
        let installation = try options.installation()
        let app = try options.chosenApp(installation)
        let course = try Course(asking: app, installation, to: to, reason: reason, variables: variables)
        let revision = try named(revision ?? app.defaultBranch(), installation, app)
        if !variables.isEmpty, !rebuild, try !installation.ledger.artifacts(app: app.name, revision: revision).isEmpty {
            Terminal().say("the artifact that there is gets deployed; with --rebuild the build sees the variables too")
        }
        let run = try installation.ledger.start(
            app.name, revision, rebuild: rebuild, by: installation.person, policy: app.policy, course: course,
            isNext: next)
        try await follow(run, installation, detach: following.detach)
    }
}

struct PromoteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "promote", abstract: "Bring what was verified to the next environment.",
        discussion: """
            Without a revision: what is live and verified in the environment before. The same bytes go out, and their \
            digest is checked. `shipit plan` shows beforehand what changes. Where the policy asks for approvals, a soak or \
            a window, it waits for them. --emergency skips them, and the environment before; only for people whom the \
            policy names.

            EXAMPLE
              shipit promote
              shipit promote 3f2a91c --to production
              shipit promote 3f2a91c --to production --emergency --reason "the shop is down"
            """)

    @Argument(help: "A commit id (4 digits or more), a branch or a tag.") var revision: String?
    @Option(name: .long, help: ArgumentHelp("The environment.", valueName: "environment")) var to: String?
    @Option(name: .long, help: ArgumentHelp("Why; kept in the history.", valueName: "text")) var reason: String?
    @Flag(name: .long, help: "Skip the environment before, and checks that it would wait for; wants a reason.")
    var emergency = false
    @Flag(name: .customLong("ignore-application-stop-failures"), help: .stopFailures) var ignoresStopFailures = false
    @OptionGroup var following: FollowOption
    @OptionGroup var options: Options

    func validate() throws {
        guard !emergency || reason?.isBlank == false else { throw ValidationError("--emergency wants --reason TEXT") }
    }

    func run() async throws {
        let installation = try options.installation()
        let app = try options.chosenApp(installation)
        let revision = try revision.map { try named($0, installation, app) }
        let promotion = try Promotion.choose(installation, app, revision: revision, to: to, isEmergency: emergency)
        try app.pipeline.allow.check(.promote, in: promotion.environment, person: installation.person)
        if emergency {
            try app.pipeline.allow.check(.emergency, in: promotion.environment, person: installation.person)
        }
        let cursor = try installation.ledger.lastEvent()
        let run = try promotion.perform(
            installation, app, reason: reason.map { visibleLine($0) }, ignoringStopFailures: ignoresStopFailures)
        try await follow(run, installation, after: cursor, detach: following.detach)
    }
}

struct RejectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reject", abstract: "Say no to a waiting promotion.",
        discussion: "EXAMPLE\n  shipit reject 42 --reason \"the prices are wrong\"")

    @Argument(help: ArgumentHelp("The run (default: the one that waits).", valueName: "run")) var number: Int64?
    @Option(name: .long, help: ArgumentHelp("Why; kept in the history.", valueName: "text")) var reason: String?
    @OptionGroup var options: Options

    func run() throws {
        let installation = try options.installation()
        let app = try options.app(of: number, installation)
        try app.pipeline.allow.check(.reject, person: installation.person)
        let waiting = try installation.ledger.openRuns(app: app.name).filter {
            $0.status == .waiting && $0.jobs.last?.kind == .deploy && (number == nil || $0.run.id == number)
        }
        guard let record = waiting.last, let job = record.jobs.last else {
            let what = number.map { "run \($0) does not wait" } ?? "nothing waits"
            throw ShipitError(.unavailable, "\(what) at an environment", hint: "shipit status shows what waits")
        }
        guard waiting.count == 1 else {
            let runs = waiting.map { "\($0.run.id)" }.joined(separator: ", ")
            throw ShipitError(.usage, "several runs wait: \(runs)", hint: "shipit reject RUN")
        }
        let why = reason.flatMap { $0.isBlank ? nil : visibleLine($0) }
        try installation.ledger.reject(job, by: installation.person, reason: why)
        Terminal().say("run \(record.run.id) was rejected")
        // Somebody may want to be told.
        try WorkerStarter.startIfNeeded(installation, program: OwnProgram.path)
    }
}

struct CancelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "Stop a run; what was live stays or becomes live again.",
        discussion: "EXAMPLE\n  shipit cancel 42")

    @Argument(help: ArgumentHelp("The run (default: the one that is under way).", valueName: "run")) var number: Int64?
    @OptionGroup var following: FollowOption
    @OptionGroup var options: Options

    func run() async throws {
        let terminal = Terminal()
        let installation = try options.installation()
        let id = try number ?? theOnlyOne(installation)
        _ = try options.app(of: id, installation)
        guard let record = try installation.ledger.run(id) else { throw noSuchRun(id) }
        guard !record.status.isFinal else {
            throw ShipitError(.unavailable, "run \(id) is over: \(record.status.rawValue)", hint: "shipit runs")
        }
        try installation.app(record.run.app).pipeline.allow.check(.cancel, person: installation.person)
        let running = try installation.ledger.cancel(
            run: id, by: installation.person, reason: "cancelled by \(installation.person)")
        try WorkerStarter.startIfNeeded(installation, program: OwnProgram.path)
        if running.isEmpty || following.detach {
            terminal.say(running.isEmpty ? "run \(id) was cancelled" : "run \(id) is being cancelled")
            return
        }
        // The outcome that was asked for is "cancelled", so that is success here.
        var follower = Follower(installation: installation, terminal: terminal)
        follower.isCancelling = true
        _ = try await follower.follow([id])
        let status = try installation.ledger.run(id)?.status ?? .errored
        if status != .cancelled {
            throw Ending(status: 1, message: "run \(id) \(status.rawValue) before it could be cancelled")
        }
    }

    private func theOnlyOne(_ installation: Installation) throws -> Int64 {
        let app = try options.chosenApp(installation)
        let open = try installation.ledger.openRuns(app: app.name).filter {
            $0.status == .running || $0.status == .queued
        }
        guard open.count == 1 else {
            throw ShipitError(
                open.isEmpty ? .unavailable : .usage,
                open.isEmpty
                    ? "nothing is under way"
                    : "several runs are under way: \(open.map { "\($0.run.id)" }.joined(separator: ", "))",
                hint: open.isEmpty ? "shipit runs lists what was" : "shipit cancel RUN")
        }
        return open[0].run.id
    }
}

struct RetryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry", abstract: "Run the failed job again; what succeeded is not repeated.",
        discussion: """
            A retry promotes nothing: what was rejected or cancelled while it waited for a person waits again.

            EXAMPLE
              shipit retry 42
            """)

    @Argument(help: ArgumentHelp("The run (default: the last one).", valueName: "run")) var number: Int64?
    @Flag(name: .long, help: "Go before everything of its kind that is queued.") var next = false
    @OptionGroup var following: FollowOption
    @OptionGroup var options: Options

    func run() async throws {
        let installation = try options.installation()
        let app = try options.app(of: number, installation)
        let record: RunRecord?
        if let number {
            record = try installation.ledger.run(number)
        } else {
            record = try installation.ledger.runs(app: app.name, limit: 1).first
        }
        guard let record else {
            throw number.map(noSuchRun) ?? ShipitError(.unavailable, "there are no runs yet", hint: "git push")
        }
        guard let job = record.jobs.last, [.failed, .errored, .cancelled].contains(job.status) else {
            if !record.status.isFinal {
                throw ShipitError(
                    .unavailable,
                    "run \(record.run.id) is not over, so there is nothing to retry: it is \(record.status.rawValue)",
                    hint: "shipit show \(record.run.id)")
            }
            throw ShipitError(
                .unavailable, "run \(record.run.id) \(record.status.rawValue): there is nothing to retry",
                hint: "shipit start \(record.run.revision.abbreviated()) runs the pipeline again")
        }
        if job.kind == .deploy, let hold = try installation.ledger.environment(record.run.app, job.name).hold,
            hold.kind == .hold
        {
            throw ShipitError(
                .busy, "\(job.name) is held by \(hold.by): \(hold.reason)", hint: "shipit unhold \(job.name)")
        }
        try app.pipeline.allow.checkRetry(of: job, person: installation.person)
        let cursor = try installation.ledger.lastEvent()
        try installation.ledger.retry(job, by: installation.person, policy: app.policy, isNext: next)
        try await follow(record.run.id, installation, after: cursor, detach: following.detach)
    }
}

struct HoldCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hold", abstract: "Stop deployments to an environment until the hold is lifted.",
        discussion: """
            EXAMPLE
              shipit hold production --reason "the sale is on" --until 2026-12-01T08:00
              shipit hold staging --reason "load test" --until 2h
            """)

    @Argument(help: "The environment.") var environment: String
    @Option(name: .long, help: ArgumentHelp("Why; whoever is refused reads it.", valueName: "text")) var reason: String
    @Option(
        name: .long,
        help: ArgumentHelp(
            "When it ends by itself: 30m, 2h, 3d, or a date and time such as 2026-12-01T08:00.", valueName: "time"))
    var until: String?
    @OptionGroup var options: Options

    func validate() throws { try checkReason(reason) }

    func run() throws {
        let installation = try options.installation()
        let app = try options.chosenApp(installation)
        let environment = try app.environment(environment)
        try app.pipeline.allow.check(.hold, in: environment.name, person: installation.person)
        let end = try until.map { try Self.time($0) }
        let hold = Hold(
            kind: .hold, reason: visibleLine(reason), by: installation.person, since: .now, until: end)
        try installation.ledger.hold(app.name, environment.name, hold)
        Terminal().say(
            "\(environment.name) of \(app.name) is held\(end.map { " until \($0.local)" } ?? ""); shipit unhold \(environment.name) lifts it"
        )
        // Somebody may want to be told.
        try WorkerStarter.startIfNeeded(installation, program: OwnProgram.path)
    }

    private static func time(_ text: String) throws -> Timestamp {
        let now = Timestamp.now
        let duration = Duration(text: text).map {
            Timestamp(milliseconds: now.milliseconds + Int64($0.inSeconds * 1000))
        }
        guard let time = duration ?? Timestamp(parsing: text) else {
            throw ShipitError(.usage, "--until \(visibleLine(text)) is no time", hint: "2h, or 2026-12-01T08:00")
        }
        guard time > now else {
            throw ShipitError(.usage, "--until \(visibleLine(text)) is over already", hint: "a time to come")
        }
        return time
    }
}

struct UnholdCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unhold", abstract: "Lift a hold; what waited for it goes on.",
        discussion: "EXAMPLE\n  shipit unhold production")

    @Argument(help: "The environment.") var environment: String
    @OptionGroup var options: Options

    func run() throws {
        let installation = try options.installation()
        let app = try options.chosenApp(installation)
        let environment = try app.environment(environment)
        try app.pipeline.allow.check(.hold, in: environment.name, person: installation.person)
        guard try installation.ledger.unhold(app.name, environment.name, by: installation.person) else {
            throw ShipitError(.unavailable, "\(environment.name) is not held", hint: "shipit status")
        }
        try WorkerStarter.startIfNeeded(installation, program: OwnProgram.path)
        Terminal().say("\(environment.name) of \(app.name) is open again")
    }
}

/// Whoever is refused or waits reads it.
func checkReason(_ reason: String) throws {
    if reason.isBlank { throw ValidationError("--reason wants some words") }
}

extension String {
    var isBlank: Bool { allSatisfy(\.isWhitespace) }
}

func noSuchRun(_ id: Int64) -> ShipitError {
    ShipitError(.unavailable, "there is no run \(id)", hint: "shipit runs lists them")
}

/// The revision that people named; how it was read is said when it could have been read otherwise.
func named(_ text: String, _ installation: Installation, _ app: App) throws -> Revision {
    let (revision, reading) = try RevisionResolver(installation, app).resolve(text)
    if let reading { Terminal().say(reading) }
    return revision
}

extension App {
    /// The branch that `start` means: the first plain name among the triggers, else what HEAD names.
    func defaultBranch() throws -> String {
        for trigger in pipeline.triggers where trigger.kind == .branches {
            if let name = trigger.names.include.lazy.compactMap(\.onlyName).first {
                return String(decoding: name, as: UTF8.self)
            }
        }
        guard let head = try repository().head else {
            throw ShipitError(.usage, "\(name) has no branch of its own to start", hint: "shipit start BRANCH")
        }
        return head.short
    }
}
