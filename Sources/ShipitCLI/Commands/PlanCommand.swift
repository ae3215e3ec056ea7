import ArgumentParser
import ArtifactKit
import GitKit
import Shipit

struct PlanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "What a promotion would change; changes nothing.",
        discussion: """
            Its digest names the plan: an approval is for exactly this artifact, policy and live revision.

            EXAMPLE
              shipit plan
              shipit plan 3f2a91c --to production
              shipit plan --run 42 --statement >plan    the text that an approval signs
            """)

    @Argument(help: "A commit id (4 digits or more), a branch or a tag.") var revision: String?
    @Option(name: .long, help: ArgumentHelp("The environment.", valueName: "environment")) var to: String?
    @Option(name: .customLong("run"), help: "The run that waits.") var number: Int64?
    @Flag(name: .long, help: "Print the text that an approval signs, and nothing else.") var statement = false
    @OptionGroup var json: JSONOption
    @OptionGroup var options: Options

    func run() throws {
        let terminal = Terminal()
        let installation = try options.installation()
        let app = try options.app(of: number, installation)
        let plan = try PlanReport(installation, app, try promotion(installation, app))
        if statement { return terminal.answer(String(plan.statement.dropLast())) }
        json.json ? terminal.answer(Self.json(plan)) : Self.show(plan, Options.flag(app.name, installation), terminal)
    }

    private func promotion(_ installation: Installation, _ app: App) throws -> Promotion {
        guard let run = number else {
            let revision = try revision.map { try named($0, installation, app) }
            return try Promotion.choose(installation, app, revision: revision, to: to, isPlan: true)
        }
        guard revision == nil, to == nil else {
            throw ShipitError(.usage, "--run names revision and environment already", hint: "shipit plan --run \(run)")
        }
        guard let job = try installation.ledger.run(run)?.jobs.last, job.status == .waiting, job.kind == .deploy else {
            throw ShipitError(.unavailable, "run \(run) does not wait", hint: "shipit status shows what waits")
        }
        return try Promotion.of(job, installation)
    }

    private static func show(_ plan: PlanReport, _ flag: String, _ terminal: Terminal) {
        let promotion = plan.promotion
        let from = promotion.live.map { $0.revision.abbreviated() } ?? "nothing"
        terminal.answer(
            terminal.painted("\(promotion.environment): \(from) → \(promotion.revision.abbreviated())", .bold))
        if promotion.live?.revision == promotion.revision { terminal.answer("  the same revision, deployed again") }
        list(
            "commits",
            plan.commits.map { "\($0.id.abbreviated()) \(visibleLine($0.summary)) (\(visibleLine($0.author.name)))" },
            terminal)
        if !plan.commitsAreComplete { terminal.answer("    and more: the history is longer or cut off") }
        list(
            "commits that are live and would not be any more",
            plan.lost.map { "\($0.id.abbreviated()) \(visibleLine($0.summary))" }, terminal)
        if !plan.authors.isEmpty { terminal.answer("  authors: \(plan.authors.joined(separator: ", "))") }
        list("files", plan.changes.map { "\(sign($0.kind)) \(visible($0.path))" }, terminal)
        list("hook scripts that change", plan.changedScripts, terminal)
        list("migrations", plan.migrations, terminal)
        list("the policy has changed since", plan.policyChanges, terminal)
        list("releases that will be removed", plan.removed, terminal)
        let artifact = promotion.artifact
        if let bytes = plan.releaseSize { terminal.answer("  release: \(size(bytes)) in each target") }
        terminal.answer(
            "  going back over it: \(plan.hazard.map { terminal.painted("not safe, \($0)", .yellow) } ?? "safe as far as is known")"
        )
        terminal.answer(
            artifact.digest.map { "  artifact: \(size(artifact.size)), sha256 \($0.description.prefix(12))" }
                ?? "  artifact: not packed yet")
        terminal.answer("  plan: \(plan.digest.description.prefix(12))")
        if let waiting = promotion.waiting, waiting.waits != .promotion || Waiting(waiting).obstacles.count > 1 {
            for line in Waiting(waiting).lines("  run \(waiting.run) waits", ": ", indent: "    ") {
                terminal.answer(line)
            }
        }
        if let waiting = promotion.waiting, plan.wantsApprovals, waiting.by != nil || waiting.waits != .promotion {
            terminal.say("next: shipit approve \(waiting.run) --plan \(plan.digest.description.prefix(12))")
        } else if promotion.waiting?.by == nil {
            terminal.say(
                "next: shipit promote \(promotion.revision.abbreviated()) --to \(promotion.environment)\(flag)")
        }
    }

    private static func list(_ what: String, _ lines: [String], _ terminal: Terminal) {
        guard !lines.isEmpty else { return }
        terminal.answer("  \(what) (\(lines.count)):")
        for line in lines.prefix(40) { terminal.answer("    \(line)") }
        if lines.count > 40 { terminal.answer("    and \(lines.count - 40) more") }
    }

    private static func sign(_ kind: Change.Kind) -> String {
        switch kind {
        case .added: "+"
        case .removed: "-"
        case .modified: "~"
        }
    }

    private static func json(_ plan: PlanReport) -> JSON {
        let promotion = plan.promotion
        let commits = { (commits: [Commit]) in
            JSON.array(
                commits.map {
                    [
                        "revision": JSON($0.id), "subject": .string($0.summary), "author": .string($0.author.name),
                        "at": JSON(Timestamp(milliseconds: $0.committer.seconds * 1000)),
                    ]
                })
        }
        return [
            "environment": .string(promotion.environment), "from": JSON(promotion.live?.revision),
            "to": JSON(promotion.revision), "artifact": JSON(promotion.artifact.digest?.description),
            "run": JSON(promotion.waiting?.run), "commits": commits(plan.commits),
            "complete": .bool(plan.commitsAreComplete), "lost": commits(plan.lost),
            "authors": .array(plan.authors.map(JSON.string)),
            "files": .array(
                plan.changes.map { ["path": .string(visible($0.path)), "change": .string($0.kind.rawValue)] }),
            "scripts": .array(plan.changedScripts.map(JSON.string)),
            "removed": .array(plan.removed.map(JSON.string)), "migrations": .array(plan.migrations.map(JSON.string)),
            "policy_changes": .array(plan.policyChanges.map(JSON.string)), "release_size": JSON(plan.releaseSize),
            "hazard": JSON(plan.hazard), "plan": .string(plan.digest.description),
        ]
    }
}
