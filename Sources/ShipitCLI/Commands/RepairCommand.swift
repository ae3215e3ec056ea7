import ArgumentParser
import Shipit

struct RepairCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repair", abstract: "Put what is live right where it was edited by hand.",
        discussion: """
            Restores exactly those files that `shipit verify` names, from the artifact. No hook script runs, shared paths
            are left alone, and files that were added stay unless --extra takes them away.

            EXAMPLE
              shipit verify production
              shipit repair production
            """)

    @Argument(help: "The environment.") var environment: String
    @Flag(name: .long, help: "Also remove what was not in the artifact, such as what hook scripts left.")
    var extra = false
    @OptionGroup var options: Options

    func run() throws {
        let terminal = Terminal()
        let installation = try options.installation()
        let app = try options.chosenApp(installation)
        let policy = try app.environment(environment)
        for done in try ReleaseRepair(installation, app, policy).run(extras: extra) {
            for path in done.restored { terminal.answer("restored \(done.target)/releases/\(done.release)/\(path)") }
            for path in done.removed { terminal.answer("removed \(done.target)/releases/\(done.release)/\(path)") }
            if done.restored.isEmpty, done.removed.isEmpty {
                terminal.say("\(policy.name): \(done.target), release \(done.release) is as it was deployed")
            }
            if !done.left.isEmpty {
                terminal.say(
                    "\(policy.name): \(done.left.count) files stay that were not in the artifact; --extra removes them")
            }
        }
    }
}
