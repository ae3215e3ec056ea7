/// A command of the server's that tells a secret when a job begins, so that it need not lie in a file of shipit's.
public struct SecretCommand: Hashable, Sendable {
    public enum Format: String, Hashable, Sendable, CaseIterable {
        /// What it prints, without the last line end, is one secret.
        case value
        /// `NAME=value` lines, as in the files of `shipit env`.
        case env
    }

    /// Of the one secret; nil for a command that names them itself.
    public var name: String?
    public var command: [String]
    /// Those that see it; empty: every environment, and no build.
    public var environments: [String]
    public var timeout: Duration

    public var format: Format { name == nil ? .env : .value }

    /// `environment`: or `build`.
    public func isSeen(by environment: String) -> Bool {
        environments.isEmpty ? environment != Pipeline.buildName : environments.contains(environment)
    }

    /// What it is about, for people: the secret's name, or the program's.
    var subject: String { name.map { "the secret \($0)" } ?? "the secrets of \(program)" }

    /// The program's own name: its arguments may tell where secrets are, which is nobody's business.
    var program: String { command[0].split(separator: "/").last.map(String.init) ?? command[0] }
}

extension Pipeline {
    static let buildName = "build"
    /// Names of files of variables that belong to no environment: what builds, all environments and notifications see.
    public static let reservedNames = [buildName, "all", "notify"]
}

extension YAMLReader {
    func secretCommands(_ node: Node) -> [SecretCommand] {
        var commands: [SecretCommand] = []
        for entry in list(node, of: "secrets") {
            guard let command = secretCommand(entry) else { continue }
            let other = commands.first { other in
                other.name != nil && other.name == command.name
                    && (other.environments == command.environments || other.environments.isEmpty
                        || command.environments.isEmpty
                        || !Set(other.environments).isDisjoint(with: command.environments))
            }
            if let other { error(entry, "the secret \(other.name ?? "") stands twice, expected one command for it") }
            commands.append(command)
        }
        return commands
    }

    private func secretCommand(_ node: Node) -> SecretCommand? {
        let keys = mapping(
            node, of: "a secret", keys: ["name", "command", "format", "environments", "timeout"],
            hints: [
                "value": "a policy holds no secrets; printf %s \"$VALUE\" | shipit env set ENVIRONMENT --secret NAME"
            ])
        guard let commandNode = keys["command"] else {
            error(node, "a secret wants command: a list of words, such as [pass, show, blog/token]")
            return nil
        }
        let words = program(commandNode, of: "command")
        var name: String?
        if let node = keys["name"], let text = text(node, of: "name") {
            if !EnvironmentFile.isName(text) {
                error(node, "name wants the name of a variable, found \"\(text)\"")
            }
            name = text
        }
        let format = keys["format"].flatMap { choice($0, of: "format", SecretCommand.Format.self) }
        if name == nil, format != .env {
            error(node, "a secret wants name:, or format: env for a command that prints NAME=value lines")
        } else if name != nil, format == .env {
            error(keys["name"], "with format: env the command names its secrets itself, expected no name")
        }
        var timeout: Duration = .seconds(10)
        if let node = keys["timeout"], let limit = duration(node, of: "timeout") { timeout = limit }
        guard !words.isEmpty else { return nil }
        return SecretCommand(
            name: name, command: words, environments: keys["environments"].map { texts($0, of: "environments") } ?? [],
            timeout: timeout)
    }

    /// Words of a command whose program is a path, or a name on the plain PATH.
    func program(_ node: Node, of what: String) -> [String] {
        guard case .sequence = node else {
            error(node, "\(what) wants a list of words, such as [/usr/local/bin/tell, now]; there is no shell")
            return []
        }
        let words = texts(node, of: what)
        guard let first = words.first else {
            error(node, "\(what) wants at least one word")
            return []
        }
        if !first.hasPrefix("/"), first.contains("/") {
            error(node, "\(what) wants a program by its absolute path or by its name alone, found \"\(first)\"")
        }
        return words
    }

    /// Names of variables that must be set before anything is run.
    func variableNames(_ node: Node, of what: String) -> [String] {
        list(node, of: what).compactMap { entry in
            guard let name = text(entry, of: "an entry of \(what)") else { return nil }
            if !EnvironmentFile.isName(name) { error(entry, "\(what) wants names of variables, found \"\(name)\"") }
            return name
        }
    }

    /// Names in `environments:` of a part that is not an environment itself must be those of the policy.
    func checkNames(_ node: Node?, in names: [String]) {
        guard let node, case .sequence(let entries) = node else { return }
        for entry in entries.nodes {
            guard case .mapping(let mapping) = entry else { continue }
            for (key, value) in mapping.entries where key.scalar?.string == "environments" {
                guard case .sequence(let list) = value else { continue }
                for name in list.nodes {
                    guard let word = name.scalar?.string, !names.contains(word) else { continue }
                    let meant = suggestion(for: word, among: names).map { ", did you mean \"\($0)\"?" }
                    error(
                        name,
                        "there is no environment \"\(word)\"\(meant ?? ", expected one of \(names.joined(separator: ", "))")"
                    )
                }
            }
        }
    }
}
