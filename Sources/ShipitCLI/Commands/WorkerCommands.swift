import ArgumentParser
import Foundation
import Glibc
import Logging
import ServiceLifecycle
import Shipit
import UnixSignals

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "The long-lived worker: takes pushes in and carries jobs out until it is stopped.",
        discussion: """
            Not needed: a worker starts by itself when there is work. Serving saves its start, and notices references that \
            moved without their hook. TERM stops it in order: builds begin again later, deployments come to their end.

            EXAMPLE
              shipit serve
            """)

    @OptionGroup var machine: Machine

    func run() async throws {
        let installation = try machine.installation()
        let logger = Logger(label: "shipit") { _ in OperatorLog(file: nil) }
        try await runWorker(installation, stay: .always, logger)
    }
}

struct WorkCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "work", abstract: "Work until there is nothing to do.",
        discussion: "EXAMPLE\n  shipit work")

    @Flag(name: .long, help: .hidden) var detached = false
    @OptionGroup var machine: Machine

    /// The words of the hook, which somebody's push waits for: looking through all commands takes a while.
    static func parseIfAsked() throws -> (any ParsableCommand)? {
        guard CommandLine.arguments.dropFirst() == ["work", "--detached"] else { return nil }
        return try WorkCommand.parseAsRoot(["--detached"])
    }

    func run() async throws {
        let installation = try machine.installation()
        let file = detached ? installation.home.workerLog : nil
        let logger = Logger(label: "shipit") { _ in OperatorLog(file: file) }
        do {
            try await runWorker(installation, stay: .untilIdle, logger)
        } catch {
            logger.error("\(error)")
            throw error
        }
    }
}

private func runWorker(_ installation: Installation, stay: Worker.Stay, _ logger: Logger) async throws {
    let worker = try Worker(installation, stay: stay, logger: logger)
    let configuration = ServiceGroupConfiguration(
        services: [.init(service: worker, successTerminationBehavior: .gracefullyShutdownGroup)],
        gracefulShutdownSignals: [.sigterm, .sigint],
        logger: Logger(label: "shipit.lifecycle") { _ in SwiftLogNoOpLogHandler() })
    try await ServiceGroup(configuration: configuration).run()
}

/// One line a record on stderr, or in a file that begins anew when it has grown too large.
private struct OperatorLog: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .info
    let descriptor: Int32

    init(file: String?) {
        descriptor =
            file.map { path in
                var status = stat()
                let isLarge = stat(path, &status) == 0 && status.st_size > 1 << 20
                return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (isLarge ? O_TRUNC : 0), 0o600)
            } ?? STDERR_FILENO
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let more = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        let level = event.level >= .warning ? "\(event.level): " : ""
        var line = "\(Timestamp.now.rfc3339) \(level)\(visibleLine("\(event.message)"))\(more)\n"
        line.withUTF8 { _ = write(descriptor, $0.baseAddress, $0.count) }
    }
}

/// What the hook becomes: shows the pusher what becomes of a push. Not in the help, since people have no use for it.
struct FollowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "follow", abstract: "Follow a push.", shouldDisplay: false)

    @Option(name: .long) var push: String

    static func parseIfAsked() throws -> (any ParsableCommand)? {
        let words = Array(CommandLine.arguments.dropFirst())
        guard words.first == "follow" else { return nil }
        return try FollowCommand.parseAsRoot(Array(words.dropFirst()))
    }

    func run() async throws {
        let terminal = Terminal()
        let variables = ProcessInfo.processInfo.environment
        let installation = try Installation.open(try Home.standard(variables), person: User.person(variables))
        // A dropped connection must not end this in the middle of a word; nothing depends on it anyway.
        signal(SIGHUP, SIG_IGN)
        let record = try await takenIn(installation, terminal)
        for line in UnshippedUpdates.lines(record.updates) { terminal.say("shipit: \(line)") }
        let runs = record.updates.compactMap(\.run)
        guard !runs.isEmpty else { return }
        let waits = record.options.contains("wait")
        let leaves =
            try record.options.contains("detach")
            || runs.compactMap { try installation.ledger.run($0)?.run.app }.allSatisfy {
                try installation.app($0).pipeline.push == .detach
            }
        if leaves, !waits {
            for run in runs { terminal.say("shipit: run \(run) queued; shipit log \(run) -f follows it") }
            return
        }
        let status = try await Follower(installation: installation, terminal: terminal, prefix: "shipit: ").follow(runs)
        if status != 0 { throw Ending(status: status) }
    }

    /// Waits until a worker has taken the push in; says what it waits for when that takes long.
    private func takenIn(_ installation: Installation, _ terminal: Terminal) async throws -> PushRecord {
        let watch = try LedgerWatch(installation)
        let began = ContinuousClock.now
        var said = false
        while true {
            if let record = try installation.ledger.push(spool: push) { return record }
            let time = ContinuousClock.now - began
            if time > .seconds(3), !said {
                said = true
                terminal.say("shipit: queued; waiting for a worker to take it in (Ctrl-C leaves, and changes nothing)")
                try WorkerStarter.startIfNeeded(installation, program: OwnProgram.path)
            }
            if time > .seconds(60) {
                throw ShipitError(
                    .busy, "no worker took the push in within a minute; it stays queued",
                    hint: "shipit doctor, then shipit work")
            }
            await watch.wait(.milliseconds(500))
        }
    }
}
