import ArgumentParser
import Shipit

struct RepairCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repair", abstract: "Put what is live right where it was edited by hand.",
        discussion: """
            Restores exactly those files that `shipit verify` names, from the artifact. No hook script runs, and files that \
            were added stay unless --extra takes them away. What is shared is left alone; a link to it that is gone is made \
            again, and where something else has taken its place, that stays (and this ends with 1). What the deployment's \
            own hook scripts edited, removed or added stays too, unless --all is given. In place, exactly the installed \
            files are put back, from the kept release; what nobody installed is not looked at.

            EXAMPLE
              shipit verify production
              shipit repair production
            """)

    @Argument(help: "The environment.") var environment: String
    @Flag(name: .long, help: "Also remove what was added by hand.")
    var extra = false
    @Flag(name: .long, help: "Also take back what hook scripts did during the deployment.")
    var all = false
    @OptionGroup var options: Options

    func run() async throws {
        let terminal = Terminal()
        let installation = try options.installation()
        let app = try options.chosenApp(installation)
        let policy = try app.environment(environment)
        var isWhole = true
        for done in try await ReleaseRepair(installation, app, policy).run(extras: extra, all: all) {
            for path in done.restored { terminal.answer("restored \(done.place)/\(path)") }
            for path in done.removed { terminal.answer("removed \(done.place)/\(path)") }
            for path in done.unlinked {
                isWhole = false
                let place = "\(done.place)/\(path)"
                terminal.say(
                    "\(place) is no link to \(done.target)/shared/\(path) any more, and is left alone\n  hint: keep what is in it, move it away, then shipit repair \(policy.name) again"
                )
            }
            if done.restored.isEmpty, done.removed.isEmpty, done.unlinked.isEmpty, done.unclear.isEmpty,
                done.blocked.isEmpty
            {
                terminal.say("\(policy.name): \(done.target), release \(done.release) is as it was deployed")
            }
            for path in done.blocked {
                isWhole = false
                terminal.say(
                    "\(done.place)/\(path) is a folder now, or in one that is a file, and is left alone\n  hint: move it away, then shipit repair \(policy.name) again"
                )
            }
            for path in done.unclear {
                isWhole = false
                let revision = done.release.drop { $0 != "-" }.dropFirst()
                terminal.say(
                    "\(done.place)/\(path) was edited by hook scripts during the deployment and by hand since, and is left alone\n  hint: shipit promote \(revision) --to \(policy.name) --app \(app.name) deploys it again; --all puts back what the artifact has, without the scripts' work"
                )
            }
            if !done.byScripts.isEmpty {
                terminal.say(
                    "\(policy.name): \(done.byScripts.count == 1 ? "1 file stays as hook scripts left it" : "\(done.byScripts.count) files stay as hook scripts left them") during the deployment; --all puts that back"
                )
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
