import ArgumentParser
import Foundation
import GitKit
import Shipit

struct MarkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mark", abstract: "Say that nobody can go back over a deployment, or that one can.",
        discussion: """
            In a hook script without an environment: the deployment that runs, such as one whose migration drops a \
            column. From then on a rollback across it wants --across-irreversible. By hand: what is live in an \
            environment; `reversible` takes that back.

            EXAMPLE
              shipit mark irreversible --reason "drops the column price"
              shipit mark reversible production
            """)

    enum Line: String, ExpressibleByArgument, CaseIterable {
        case irreversible, reversible
    }

    @Argument(help: "irreversible or reversible.") var line: Line
    @Argument(help: "The environment; in a hook script: none.") var environment: String?
    @Option(name: .long, help: ArgumentHelp("Why; whoever is refused reads it.", valueName: "text")) var reason: String?
    @OptionGroup var options: Options

    func run() throws {
        let variables = ProcessInfo.processInfo.environment
        guard let environment else { return try markRunning(variables) }
        let terminal = Terminal()
        let installation = try options.installation()
        let app = try options.chosenApp(installation)
        let name = try app.environment(environment).name
        try app.pipeline.allow.check(.mark, person: installation.person)
        guard let live = try installation.ledger.environment(app.name, name).live else {
            throw ShipitError(.unavailable, "nothing is live in \(name)", hint: "shipit status")
        }
        let revision = live.revision.abbreviated()
        switch line {
        case .irreversible:
            guard let reason, !reason.allSatisfy(\.isWhitespace) else {
                throw ShipitError(.usage, "a mark by hand wants a reason", hint: "--reason \"drops the column price\"")
            }
            if let there = live.irreversible {
                throw ShipitError(
                    .unavailable, "\(revision) in \(name) is marked irreversible already: \(there)",
                    hint: "shipit mark reversible \(name) takes that back")
            }
            let words = "\(visibleLine(reason).prefix(500)) (marked by \(installation.person))"
            try installation.ledger.mark(live, irreversible: words)
            terminal.say("\(name) of \(app.name): nobody goes back over \(revision) unasked")
        case .reversible:
            guard try installation.ledger.markReversible(app: app.name, environment: name, by: installation.person) > 0
            else {
                throw ShipitError(
                    .unavailable, "\(revision) in \(name) is not marked irreversible", hint: "shipit revisions \(name)")
            }
            terminal.say("\(name) of \(app.name): one can go back over \(revision) again")
        }
    }

    private func markRunning(_ variables: [String: String]) throws {
        guard line == .irreversible else {
            throw ShipitError(.usage, "reversible wants an environment", hint: "shipit mark reversible production")
        }
        if let path = variables[Marks.variable], !path.isEmpty {
            try Marks.append(irreversible: reason, to: path)
            Terminal().say("this deployment is marked irreversible")
            return
        }
        // The same script where nobody asks: it is what put back starts again, or another installs it.
        if variables["LIFECYCLE_EVENT"] != nil {
            Terminal().say("nobody asks for marks here, so none is made")
            return
        }
        throw ShipitError(
            .usage, "outside of a hook script a mark wants an environment",
            hint: "shipit mark irreversible production --reason TEXT")
    }
}
