import ArgumentParser
import Foundation
import Glibc
import Shipit

struct EnvCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "env", abstract: "An environment's variables and secrets.",
        discussion: """
            Hook scripts of the environment see them. Those of `all` are seen by hook scripts of every environment that does \
            not set them itself, those of `build` by builds alone, and those of `notify` sign and address notifications. \
            They take effect with the next deployment.

            EXAMPLE
              shipit env set staging PORT=8081
              printf %s "$TOKEN" | shipit env set production --secret API_TOKEN
              shipit env list production
            """,
        subcommands: [EnvList.self, EnvSet.self, EnvUnset.self])
}

struct EnvList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List variables; the values of secrets are not shown.",
        discussion: "EXAMPLE\n  shipit env list production")

    @Argument(help: "The environment, or all, build or notify.") var environment: String
    @OptionGroup var json: JSONOption
    @OptionGroup var options: Options

    func run() throws {
        let installation = try options.installation()
        let app = try options.chosenApp(installation)
        let name = try checked(environment, app)
        let entries = try installation.environmentFile(app.name, name).entries
        let terminal = Terminal()
        if json.json {
            terminal.answer(
                .array(
                    entries.map {
                        [
                            "name": .string($0.name), "value": $0.isSecret ? .null : .string($0.value),
                            "secret": .bool($0.isSecret),
                        ]
                    }))
            return
        }
        for entry in entries {
            terminal.answer("\(entry.name)=\(entry.isSecret ? "(secret)" : visibleLine(entry.value))")
        }
    }
}

struct EnvSet: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Set variables, or one secret from standard input.",
        discussion: """
            EXAMPLE
              shipit env set staging PORT=8081 LEVEL=debug
              printf %s "$TOKEN" | shipit env set production --secret API_TOKEN
            """)

    @Argument(help: "The environment, or all, build or notify.") var environment: String
    @Argument(help: "NAME=VALUE, or with --secret just the NAME.") var assignments: [String]
    @Flag(name: .long, help: "Read the value from standard input and never show it.") var secret = false
    @OptionGroup var options: Options

    func run() throws {
        let installation = try options.installation()
        let app = try options.chosenApp(installation)
        let name = try checked(environment, app)
        var file = try installation.environmentFile(app.name, name)
        if secret {
            guard assignments.count == 1, EnvironmentFile.isName(assignments[0]) else {
                throw ShipitError(
                    .usage, "--secret takes one name, and the value comes from standard input",
                    hint: "printf %s \"$TOKEN\" | shipit env set \(visibleLine(environment)) --secret API_TOKEN")
            }
            file.set(assignments[0], to: try readSecret(), isSecret: true)
        } else {
            for assignment in assignments {
                guard let equals = assignment.firstIndex(of: "="), EnvironmentFile.isName(String(assignment[..<equals]))
                else {
                    throw ShipitError(
                        .usage, "\(visibleLine(assignment)) is not NAME=VALUE",
                        hint: "a name has letters, digits and _ only")
                }
                file.set(
                    String(assignment[..<equals]), to: String(assignment[assignment.index(after: equals)...]),
                    isSecret: false)
            }
        }
        try installation.write(file, app.name, name)
    }

    private func readSecret() throws -> String {
        if isatty(STDIN_FILENO) == 1 { Terminal().say("the value, ended by Ctrl-D:") }
        let data = FileHandle.standardInput.readDataToEndOfFile()
        guard let text = String(data: data, encoding: .utf8), !text.contains("\0"), data.count <= 64 << 10 else {
            throw ShipitError(.usage, "the secret is not text of at most 64 KiB")
        }
        let value = text.hasSuffix("\n") ? String(text.dropLast()) : text
        guard value.utf8.count >= 4 else {
            throw ShipitError(
                .usage, "the secret has \(value.utf8.count) bytes; one of fewer than 4 cannot be hidden in a log",
                hint: "a longer secret, or a variable: shipit env set ENVIRONMENT NAME=VALUE")
        }
        return value
    }
}

struct EnvUnset: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unset", abstract: "Remove variables and secrets.",
        discussion: "EXAMPLE\n  shipit env unset staging LEVEL")

    @Argument(help: "The environment, or all, build or notify.") var environment: String
    @Argument(help: "The names.") var names: [String]
    @OptionGroup var options: Options

    func run() throws {
        let installation = try options.installation()
        let app = try options.chosenApp(installation)
        let name = try checked(environment, app)
        var file = try installation.environmentFile(app.name, name)
        let missing = names.filter { !file.unset($0) }
        guard missing.isEmpty else {
            throw ShipitError(
                .unavailable,
                "\(name) has no \(missing.map { visibleLine($0) }.joined(separator: ", ")), so nothing was changed",
                hint: "shipit env list \(name)")
        }
        try installation.write(file, app.name, name)
    }
}

/// An environment of the app, or the name of a file of its own: `build`, `all` or `notify`.
private func checked(_ name: String, _ app: App) throws -> String {
    Pipeline.reservedNames.contains(name) ? name : try app.environment(name).name
}
