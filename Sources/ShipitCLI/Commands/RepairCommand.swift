import ArgumentParser
import Shipit

struct RepairCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repair", abstract: "Put what is live right where it was edited by hand.",
        discussion: """
            Restores exactly those files that `shipit verify` names, from the artifact. No hook script runs, and files that \
            were added stay unless --extra takes them away. What is shared is left alone; a link to it that is gone is made \
            again, and where something else has taken its place, that stays (and this ends with 1).

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
        var isWhole = true
        for done in try ReleaseRepair(installation, app, policy).run(extras: extra) {
            for path in done.restored { terminal.answer("restored \(done.target)/releases/\(done.release)/\(path)") }
            for path in done.removed { terminal.answer("removed \(done.target)/releases/\(done.release)/\(path)") }
            for path in done.unlinked {
                isWhole = false
                let place = "\(done.target)/releases/\(done.release)/\(path)"
                terminal.say(
                    "\(place) is no link to \(done.target)/shared/\(path) any more, and is left alone\n  hint: keep what is in it, move it away, then shipit repair \(policy.name) again"
                )
            }
            if done.restored.isEmpty, done.removed.isEmpty, done.unlinked.isEmpty {
                terminal.say("\(policy.name): \(done.target), release \(done.release) is as it was deployed")
            }
            if !done.left.isEmpty {
                terminal.say(
                    "\(policy.name): \(done.left.count == 1 ? "1 file stays that was" : "\(done.left.count) files stay that were") not in the artifact; --extra removes them"
                )
            }
        }
        if !isWhole { throw Ending(status: 1) }
    }
}
