import ArgumentParser
import ArtifactKit
import Shipit

struct ApproveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "approve", abstract: "Say yes to a promotion that waits for approvals.",
        discussion: """
            The approval is for exactly this plan: artifact, policy and live revision. If one of them changes before the \
            deployment begins, or the approval expires, it is void, and the run says why. It counts once.

            EXAMPLE
              shipit plan --run 42
              shipit approve 42 --plan 3f9c2a117be0 --reason "looked at the prices"
            """)

    @Argument(help: ArgumentHelp("The run (default: the one that waits).", valueName: "run")) var number: Int64?
    @Option(
        name: .long,
        help: ArgumentHelp("The plan that you looked at; refused if it is another one by now.", valueName: "digest"))
    var plan: String?
    @Option(name: .long, help: ArgumentHelp("Why; kept in the history.", valueName: "text")) var reason: String?
    @Option(name: .long, help: ArgumentHelp("A file with an ssh signature of the plan's statement.", valueName: "file"))
    var signature: String?
    @Option(
        name: .customLong("as"),
        help: ArgumentHelp("Who signed, as the file of allowed signers names them.", valueName: "name")) var signer:
        String?
    @OptionGroup var options: Options

    func run() async throws {
        let terminal = Terminal()
        let installation = try options.installation()
        let app = try options.app(of: number, installation)
        let approving = try Approving(installation, app, run: number)
        let person = signer ?? installation.person
        var signed: PlanSignature?
        if let signature {
            guard let signers = approving.rules.signers else {
                throw ShipitError(
                    .usage, "\(approving.job.name) has no signers, so nobody could verify the signature",
                    hint: "approvals: {signers: FILE} in the policy")
            }
            let file = try PlanSignature(file: signature)
            try await file.verify(approving.plan.statement, by: person, signers: signers)
            signed = file
        } else if signer != nil {
            throw ShipitError(
                .usage, "--as wants --signature", hint: "without one, you approve as \(installation.person)")
        }
        let job = try approving.give(
            by: person, reason: reason.map { visibleLine($0) }, seen: plan, signature: signed?.text)
        try WorkerStarter.startIfNeeded(installation, program: OwnProgram.path)
        terminal.say(
            "plan \(approving.plan.digest.description.prefix(12)) of run \(approving.job.run) was approved by \(person)"
        )
        if let job {
            for line in Waiting(job).lines("run \(job.run) waits: \(job.name)", ", ") { terminal.say(line) }
        }
    }
}

struct PauseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause", abstract: "Let nothing begin any more, in all apps; what runs comes to its end.",
        discussion: "EXAMPLE\n  shipit pause --reason \"a new kernel\"\n  shipit resume")

    @Option(name: .long, help: ArgumentHelp("Why; whoever waits reads it.", valueName: "text")) var reason: String
    @OptionGroup var machine: Machine

    func validate() throws { try checkReason(reason) }

    func run() throws {
        let installation = try machine.installation()
        try checkPause(installation)
        if let pause = try installation.ledger.pause() {
            throw ShipitError(
                .unavailable, "everything is paused already by \(pause.by) since \(pause.since.local): \(pause.reason)",
                hint: "shipit resume")
        }
        try installation.ledger.pause(by: installation.person, reason: visibleLine(reason))
        let running = try installation.ledger.openRuns().filter { $0.status == .running }.map { "\($0.run.id)" }
        let rest = running.isEmpty ? "" : "; still running: \(running.joined(separator: ", "))"
        Terminal().say("everything is paused\(rest); shipit resume goes on")
    }
}

struct ResumeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Go on after a pause.", discussion: "EXAMPLE\n  shipit resume")

    @OptionGroup var machine: Machine

    func run() throws {
        let installation = try machine.installation()
        try checkPause(installation)
        guard try installation.ledger.resume(by: installation.person) else {
            throw ShipitError(.unavailable, "nothing is paused", hint: "shipit status")
        }
        try WorkerStarter.startIfNeeded(installation, program: OwnProgram.path)
        Terminal().say("going on")
    }
}

/// What stops every app wants the permission of each.
private func checkPause(_ installation: Installation) throws {
    for app in installation.apps().apps {
        try app.pipeline.allow.check(.pause, person: installation.person)
    }
}
