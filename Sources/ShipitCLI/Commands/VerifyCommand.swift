import ArgumentParser
import Shipit

struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Compare what is live on disk with its manifest.",
        discussion: """
            Names files that were edited by hand, are missing, or were added since. Ends with 1 if any was edited or is \
            missing. What hook scripts did during the deployment is told as such, and is no damage until it changes again.

            EXAMPLE
              shipit verify production
            """)

    @Argument(help: "The environment (default: all).") var environment: String?
    @OptionGroup var json: JSONOption
    @OptionGroup var options: Options

    func run() throws {
        let terminal = Terminal()
        let installation = try options.installation()
        let app = try options.chosenApp(installation)
        let results = try Verification.of(app, in: installation.home, environment: environment)
        if json.json {
            terminal.answer(.array(results.map(\.json)))
        } else {
            for result in results { Self.show(result, app, terminal) }
        }
        if results.contains(where: \.isDamaged) { throw Ending(status: 1) }
    }

    private static func show(_ result: Verification, _ app: App, _ terminal: Terminal) {
        guard let release = result.release else {
            terminal.answer("\(result.environment): nothing is live in \(result.target)")
            return
        }
        let verdict =
            result.isDamaged
            ? terminal.painted("not as it was deployed", .red) : terminal.painted("as it was deployed", .green)
        terminal.answer("\(result.environment): \(result.target), release \(release): \(verdict)")
        for difference in result.differences {
            terminal.answer("  \(difference.words): \(difference.path): \(difference.what)")
        }
        if result.isDamaged {
            terminal.say("  hint: shipit repair \(result.environment) --app \(app.name) puts these files right")
        }
    }
}

extension ReleaseCheck.Difference {
    fileprivate var words: String {
        guard isByScripts else { return kind.rawValue }
        let what =
            switch kind {
            case .edited: "edited"
            case .missing: "removed"
            case .mode: "mode changed"
            case .extra: "added"
            }
        return "\(what) by hook scripts during the deployment"
    }
}

extension Verification {
    fileprivate var json: JSON {
        [
            "environment": .string(environment), "target": .string(target), "release": JSON(release),
            "damaged": .bool(isDamaged),
            "differences": .array(
                differences.map {
                    [
                        "kind": .string($0.kind.rawValue), "path": .string($0.path), "what": .string($0.what),
                        "by_scripts": .bool($0.isByScripts),
                    ]
                }),
        ]
    }
}
