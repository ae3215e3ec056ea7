import Glibc
import Synchronization

/// Where the variables and secrets of one job come from: the server's files, and commands of its policy.
///
/// They are put together when the job begins and kept nowhere: not in the ledger, the plan, a target or a log.
struct SecretSources: Sendable {
    let installation: Installation
    let app: String
    /// Or `build`.
    let environment: String
    let pipeline: Pipeline
    /// At most so much is taken of what a command prints.
    static let limit = 256 << 10

    init(_ installation: Installation, _ app: String, _ environment: String, _ pipeline: Pipeline) {
        (self.installation, self.app, self.environment, self.pipeline) = (installation, app, environment, pipeline)
    }

    /// In the environment of every command that tells a secret for the job, followed by a dot and what is its own.
    static func mark(_ home: Home, _ app: String, _ environment: String) -> String {
        "secret-\(home.path)-\(app)-\(environment)"
    }

    private var isBuild: Bool { environment == Pipeline.buildName }

    var required: [String] {
        isBuild ? pipeline.build.requires : pipeline.environment(environment)?.requires ?? []
    }

    private var commands: [SecretCommand] { pipeline.secrets.filter { $0.isSeen(by: environment) } }

    /// The environment's own file wins over the file of all environments; builds see neither's.
    func files() throws -> (own: EnvironmentFile, all: EnvironmentFile) {
        let own = try installation.environmentFile(app, environment)
        return (own, isBuild ? EnvironmentFile() : try installation.environmentFile(app, "all"))
    }

    /// What the files say, for hiding it before anything else is known.
    func fileSecrets() throws -> [String] {
        let (own, all) = try files()
        return own.secrets + all.secrets
    }

    /// Everything that the job sees; throws when a command does not tell its secret, or something required is missing.
    ///
    /// A name that the environment's own file sets is not asked for: that is the way out when a command fails.
    /// `isComplete` false: commands are not run, and nothing is required.
    func settings(
        isComplete: Bool = true, say: (String) -> Void = { _ in }, hide: ([String]) -> Void = { _ in },
        _ cancellation: Cancellation? = nil
    ) async throws -> EnvironmentFile {
        let (own, all) = try files()
        var settings = all
        hide(own.secrets + all.secrets)
        if isComplete {
            for command in commands {
                if let name = command.name, own.entries.contains(where: { $0.name == name }) { continue }
                let told = try await told(by: command, own.secrets + settings.secrets, cancellation)
                for entry in told { settings.set(entry.name, to: entry.value, isSecret: true) }
                hide(own.secrets + settings.secrets)
                say("\(command.subject): told by \(command.program)")
            }
        }
        for entry in own.entries { settings.set(entry.name, to: entry.value, isSecret: entry.isSecret) }
        if isComplete { try checkRequired(settings) }
        return settings
    }

    private func checkRequired(_ settings: EnvironmentFile) throws {
        let missing = required.filter { name in !settings.entries.contains { $0.name == name } }
        guard let first = missing.first else { return }
        throw ShipitError(
            .configuration, "\(environment) requires \(missing.joined(separator: ", ")), and nothing sets it",
            hint: "printf %s \"$VALUE\" | shipit env set \(environment) --secret \(first) --app \(app)")
    }

    /// What is missing or cannot work, as far as it can be known without running a command.
    func gaps() throws -> [(what: String, mend: String)] {
        let (own, all) = try files()
        var gaps: [(what: String, mend: String)] = []
        for command in commands where Self.path(of: command.command[0]) == nil {
            gaps.append(
                (
                    "\(command.subject) of \(environment): there is no program \(command.command[0])",
                    "install it, or name it by its absolute path"
                ))
        }
        // A command that names its secrets itself may set any of them.
        guard !commands.contains(where: { $0.format == .env }) else { return gaps }
        let names = Set((own.entries + all.entries).map(\.name) + commands.compactMap(\.name))
        for name in required where !names.contains(name) {
            gaps.append(
                (
                    "\(environment) requires \(name), and nothing sets it",
                    "printf %s \"$VALUE\" | shipit env set \(environment) --secret \(name) --app \(app)"
                ))
        }
        return gaps
    }

    // MARK: Commands

    private static func path(of program: String) -> String? {
        program.hasPrefix("/") ? (access(program, X_OK) == 0 ? program : nil) : Command.find(program)
    }

    private func told(
        by source: SecretCommand, _ known: [String], _ cancellation: Cancellation?
    ) async throws -> [EnvironmentFile.Entry] {
        guard let program = Self.path(of: source.command[0]) else {
            throw failure(source, "there is no program \(visibleLine(source.command[0]))")
        }
        var variables = Command.plainEnvironment
        variables["HOME"] = User.named(by: geteuid())?.home ?? "/"
        let command = Command(
            program, Array(source.command.dropFirst()), environment: variables,
            mark: "\(Self.mark(installation.home, app, environment)).\(UInt64.random(in: 0...UInt64.max))")
        let (output, errors) = (Told(Self.limit), Told(8 << 10))
        let outcome = try await Program.run(
            command, limit: source.timeout, cancellation: cancellation, errors: { errors.add($0) }
        ) { output.add($0) }
        switch outcome.stopped {
        case .cancelled: throw CancellationError()
        case .timedOut: throw failure(source, "\(source.program) took longer than \(source.timeout.spoken)")
        case nil: break
        }
        guard outcome.exit.isSuccess else {
            let line = errors.text.split(whereSeparator: \.isNewline).last.map(String.init) ?? ""
            // Cut off last: half of a secret is not found any more.
            let words = visibleLine(String(Masker(secrets: known + [output.text]).masked(line).prefix(200)))
            throw failure(source, "\(source.program) ended with \(outcome.exit)\(words.isEmpty ? "" : ": \(words)")")
        }
        guard output.isWhole else {
            throw failure(source, "\(source.program) printed more than \(Self.limit >> 10) KiB")
        }
        return try entries(of: source, output.bytes)
    }

    private func entries(of source: SecretCommand, _ bytes: [UInt8]) throws -> [EnvironmentFile.Entry] {
        guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
            throw failure(source, "\(source.program) printed what is no text")
        }
        guard let name = source.name else {
            do {
                let file = try EnvironmentFile(parsing: text, file: source.program)
                guard !file.entries.isEmpty else { throw failure(source, "\(source.program) printed nothing") }
                return file.entries
            } catch let error as Diagnostics {
                throw failure(source, "\(source.program) printed what is not NAME=value: \(error.all.count) lines")
            }
        }
        var value = text
        // By scalars: a Windows line end is one Character.
        if value.unicodeScalars.last == "\n" { value.unicodeScalars.removeLast() }
        if value.unicodeScalars.last == "\r" { value.unicodeScalars.removeLast() }
        guard !value.isEmpty else { throw failure(source, "\(source.program) printed nothing") }
        guard value.utf8.count >= Masker.shortest else {
            throw failure(
                source, "\(source.program) printed fewer than \(Masker.shortest) bytes, which no log can hide")
        }
        return [EnvironmentFile.Entry(name: name, value: value, isSecret: true)]
    }

    private func failure(_ source: SecretCommand, _ reason: String) -> ShipitError {
        let hint = source.name.map {
            "printf %s \"$VALUE\" | shipit env set \(environment) --secret \($0) --app \(app) goes before the command"
        }
        return ShipitError(.failure, "could not get \(source.subject) for \(environment): \(reason)", hint: hint)
    }
}

/// The beginning of what a command printed.
private final class Told: Sendable {
    private let state = Mutex<(bytes: [UInt8], isWhole: Bool)>(([], true))
    private let limit: Int

    init(_ limit: Int) { self.limit = limit }

    func add(_ more: UnsafeRawBufferPointer) {
        state.withLock { state in
            let room = limit - state.bytes.count
            state.bytes += more.prefix(max(0, room))
            if more.count > room { state.isWhole = false }
        }
    }

    var bytes: [UInt8] { state.withLock { $0.bytes } }
    var isWhole: Bool { state.withLock { $0.isWhole } }
    var text: String { String(decoding: bytes, as: UTF8.self) }
}
