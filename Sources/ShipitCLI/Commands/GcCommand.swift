import ArgumentParser
import Shipit

struct GcCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc", abstract: "Free the space of what nothing needs any more.",
        discussion: """
            Releases beyond `keep`; artifacts that no release and no run needs, logs and runs beyond the policy's \
            `retention`; leftovers of builds, caches beyond their bounds, and references that kept pushed commits. What is \
            live and what was live before always stays.

            EXAMPLE
              shipit gc --dry-run
            """)

    @Flag(name: .long, help: "Say what would go, and remove nothing.") var dryRun = false
    @OptionGroup var json: JSONOption
    @OptionGroup var options: Options

    func run() async throws {
        let terminal = Terminal()
        let installation = try options.installation()
        let all = installation.apps()
        let apps = try options.app.map { [try installation.app($0)] } ?? all.apps
        let report = try await Cleaning(installation, isDryRun: dryRun).run(apps)
        if json.json {
            terminal.answer([
                "removed": .array(report.removed.map { ["what": .string($0.what), "bytes": JSON($0.bytes)] }),
                "skipped": .array(report.skipped.map(JSON.string)), "bytes": JSON(report.bytes),
                "dry_run": .bool(dryRun),
            ])
        } else {
            for removed in report.removed { terminal.answer("\(dryRun ? "would remove" : "removed") \(removed.what)") }
            for skipped in report.skipped { terminal.say("left alone: \(skipped)") }
            terminal.say(
                "\(report.removed.count) removed, \(size(report.bytes)) \(dryRun ? "would come free" : "came free")")
        }
        if !dryRun { try WorkerStarter.startIfNeeded(installation, program: OwnProgram.path) }
        var status: Int32 = 0
        for problem in options.app == nil ? all.problems : [] { status = max(status, terminal.complain(problem)) }
        if status != 0 { throw Ending(status: status) }
    }
}
