import ArgumentParser
import GitKit
import Shipit

struct RollbackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback", abstract: "Back to the last release that was verified live.",
        discussion: """
            Nothing is built or fetched: the earlier release is still there (in place its files are installed again). The \
            one that was live is marked bad, and automatic promotions wait until a person promotes or lifts the hold.

            While a deployment runs there, that is what is wrong: it is stopped and marked bad, and what is live stays.

            EXAMPLE
              shipit rollback
              shipit rollback production --reason "the prices are wrong"
              shipit rollback production --to 3f2a91c
            """)

    @Argument(help: "The environment (default: the last one).") var environment: String?
    @Option(name: .long, help: ArgumentHelp("The revision to go back to.", valueName: "revision")) var to: String?
    @Option(name: .long, help: ArgumentHelp("Why; kept in the history, with the bad revision too.", valueName: "text"))
    var reason: String?
    @Flag(name: .customLong("across-irreversible"), help: "Also over a deployment that is marked irreversible.")
    var crossing = false
    @Flag(name: .customLong("skip-rollback-hook"), help: "Leave out the Rollback hook of what is live.")
    var skipsHook = false
    @Flag(name: .customLong("ignore-application-stop-failures"), help: .stopFailures) var ignoresStopFailures = false
    @Flag(name: .long, help: "Go back also when commands do not tell their secrets; hook scripts run without them.")
    var withoutSecrets = false
    @Flag(name: .customLong("dry-run"), help: "Say what it would do, and do nothing.") var isDry = false
    @OptionGroup var following: FollowOption
    @OptionGroup var options: Options

    func run() async throws {
        let terminal = Terminal()
        let installation = try options.installation()
        let app = try options.chosenApp(installation)
        if to == nil, let running = try RunningDeployment.find(installation, app, environment) {
            try app.pipeline.allow.check(.rollback, in: running.environment, person: installation.person)
            if try await stop(running, installation, terminal) { return }
        }
        let revision = try to.map { try named($0, installation, app) }
        let rollback = try Rollback.choose(installation, app, environment, to: revision, crossing: crossing)
        try app.pipeline.allow.check(.rollback, in: rollback.environment, person: installation.person)
        terminal.say(
            "\(rollback.environment): from \(rollback.from.revision.abbreviated()) back to \(rollback.to.revision.abbreviated())"
        )
        for line in rollback.crossed {
            terminal.say(
                "warning: this crosses \(line.revision.abbreviated()) (run \(line.run)), marked irreversible: \(line.irreversible ?? "")"
            )
        }
        if let damage = try rollback.damage(installation, app) {
            let revision = rollback.to.revision.abbreviated()
            terminal.say(
                "warning: release \(rollback.to.release ?? 0) is not as its artifact has it: \(damage); if it does not work, shipit promote \(revision) --to \(rollback.environment) deploys \(revision) anew"
            )
        }
        if isDry { return say(rollback, terminal) }
        let run = try rollback.perform(
            installation, app, reason: reason.map { visibleLine($0) }, ignoringStopFailures: ignoresStopFailures,
            skippingRollbackHook: skipsHook, withoutSecrets: withoutSecrets)
        try await follow(run, installation, detach: following.detach)
    }

    private func say(_ rollback: Rollback, _ terminal: Terminal) {
        let to = rollback.to
        terminal.answer(
            "would make release \(to.release ?? 0) of \(rollback.environment) live again: \(to.revision.abbreviated()), verified \((to.endedAt ?? to.createdAt).local) in run \(to.run) by \(to.by)"
        )
        if rollback.from.revision != to.revision {
            terminal.answer("would mark \(rollback.from.revision.abbreviated()) bad, and hold automatic promotions")
        }
    }

    /// False when it came to a good end before it could be stopped: then the usual way back is the one.
    private func stop(
        _ running: RunningDeployment, _ installation: Installation, _ terminal: Terminal
    ) async throws -> Bool {
        let name = running.environment
        let stays = running.live.map { "\(name) stays at \($0.revision.abbreviated())" } ?? "nothing is live in \(name)"
        let verb = isDry ? "would be" : "is"
        terminal.say(
            "\(name): run \(running.run) is deploying \(running.revision.abbreviated()); it \(verb) stopped and marked bad, and \(stays)"
        )
        if isDry { return true }
        try running.stop(installation, reason: reason.map { visibleLine($0) })
        if following.detach {
            try await follow(running.run, installation, detach: true)
            return true
        }
        try WorkerStarter.startIfNeeded(installation, program: OwnProgram.path)
        Interruption.explain("run \(running.run) is being stopped; shipit log \(running.run) -f follows it")
        let cursor = try installation.ledger.lastEvent()
        _ = try await Follower(installation: installation, terminal: terminal).follow([running.run], after: cursor - 1)
        let now = try installation.ledger.environment(running.app, name).live
        if let now, now.id != running.live?.id {
            terminal.say("run \(running.run) had come to its end before it could be stopped")
            return false
        }
        terminal.say("\(stays); shipit rollback \(name) again goes further back")
        return true
    }
}
