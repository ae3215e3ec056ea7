import CLinux
import Glibc
import Subprocess
import Synchronization
import SystemPackage

/// Runs programs: own session, deadline, TERM, grace, KILL; nothing of one that failed outlives it.
public enum Program {
    /// Between TERM and KILL, as the AWS agent 2 has it.
    static let grace: Duration = .seconds(5)
    /// How long a successful program's children may keep its output open.
    static let outputGrace: Duration = .seconds(10)

    /// Standard streams other than `/dev/null` and the pipe that feeds `output`; closed here once the program has them.
    struct Streams {
        var input: Int32?
        /// Takes standard output away from `output`, which then gets standard error alone.
        var output: Int32?
    }

    /// Runs a command to its end and hands its output over as it comes, stdout and stderr in one order.
    ///
    /// `output` is called on one thread at a time; while it works the program waits, so memory stays flat. `errors` takes
    /// standard error away from it, and then nothing is known of the order of both.
    /// Cancelling the task stops the program. Throws only when it could not be started.
    static func run(
        _ command: Command, limit: Duration, streams: Streams = Streams(), cancellation: Cancellation? = nil,
        errors: (@Sendable (UnsafeRawBufferPointer) -> Void)? = nil,
        output: @escaping @Sendable (UnsafeRawBufferPointer) -> Void
    ) async throws -> Outcome {
        let pipe = try Pipe(), errorPipe = try errors.map { _ in try Pipe() }
        let stop = try StopSignal()
        cancellation?.raises(stop)
        let configuration = configuration(of: command)
        let began = ContinuousClock.now
        return try await withTaskCancellationHandler {
            try await uncancelled {
                defer {
                    pipe.closeReadEnd()
                    errorPipe?.closeReadEnd()
                }
                do {
                    let watch: @Sendable (pid_t) async -> Supervisor.Report = { pid in
                        await onThread {
                            var outputs = [Supervisor.Output(descriptor: pipe.readEnd, sink: output)]
                            if let errorPipe, let errors {
                                outputs.append(Supervisor.Output(descriptor: errorPipe.readEnd, sink: errors))
                            }
                            return Supervisor(
                                pid: pid, outputs: outputs, stop: stop.descriptor, deadline: .now + limit,
                                mark: command.mark
                            ).watch()
                        }
                    }
                    let (status, seen) = try await spawn(configuration, streams, pipe, errorPipe, watch)
                    return outcome(status, seen, began)
                } catch let error as SubprocessError {
                    throw ShipitError(.failure, "could not start \(visibleLine(command.program)): \(reason(error))")
                }
            }
        } onCancel: {
            stop.raise()
        }
    }

    /// Runs a short helper of our own and collects at most `limit` bytes of what it says.
    static func output(
        of command: Command, within time: Duration = .seconds(30), limit: Int = 1 << 20
    ) async throws -> (exit: Exit, text: String) {
        let collected = Collected(limit: limit)
        let outcome = try await run(command, limit: time) { collected.append($0) }
        return (outcome.stopped == nil ? outcome.exit : .signal(SIGKILL), collected.text)
    }

    private static func spawn(
        _ configuration: Configuration, _ streams: Streams, _ pipe: Pipe, _ errorPipe: Pipe?,
        _ watch: @Sendable @escaping (pid_t) async -> Supervisor.Report
    ) async throws -> (TerminationStatus, Supervisor.Report) {
        let write = FileDescriptor(rawValue: pipe.writeEnd)
        switch (streams.input, streams.output) {
        case (let input?, let output?):
            let result = try await Subprocess.run(
                configuration,
                input: .fileDescriptor(FileDescriptor(rawValue: input), closeAfterSpawningProcess: true),
                output: .fileDescriptor(FileDescriptor(rawValue: output), closeAfterSpawningProcess: true),
                error: .fileDescriptor(write, closeAfterSpawningProcess: true)
            ) { await watch($0.processIdentifier.value) }
            return (result.terminationStatus, result.closureResult)
        case (let input?, nil):
            let result = try await Subprocess.run(
                configuration,
                input: .fileDescriptor(FileDescriptor(rawValue: input), closeAfterSpawningProcess: true),
                output: .fileDescriptor(write, closeAfterSpawningProcess: true), error: .combinedWithOutput
            ) { await watch($0.processIdentifier.value) }
            return (result.terminationStatus, result.closureResult)
        default:
            if let errorPipe {
                let errors = FileDescriptor(rawValue: errorPipe.writeEnd)
                let result = try await Subprocess.run(
                    configuration, input: .none, output: .fileDescriptor(write, closeAfterSpawningProcess: true),
                    error: .fileDescriptor(errors, closeAfterSpawningProcess: true)
                ) { await watch($0.processIdentifier.value) }
                return (result.terminationStatus, result.closureResult)
            }
            let result = try await Subprocess.run(
                configuration, input: .none, output: .fileDescriptor(write, closeAfterSpawningProcess: true),
                error: .combinedWithOutput
            ) { await watch($0.processIdentifier.value) }
            return (result.terminationStatus, result.closureResult)
        }
    }

    private static func configuration(of command: Command) -> Configuration {
        let mark = command.mark
        let command = asUser(command)
        var environment = command.environment
        if let mark { environment["SHIPIT_MARK"] = mark }
        var options = PlatformOptions()
        options.createSession = true
        return Configuration(
            executable: .path(FilePath(command.program)), arguments: Arguments(command.arguments),
            // Ended by a zero: Subprocess 1.0 hands the bytes to strdup as they are.
            environment: .custom(environment.sorted { $0.key < $1.key }.map { Array("\($0.key)=\($0.value)\0".utf8) }),
            workingDirectory: FilePath(command.directory), platformOptions: options)
    }

    /// setpriv changes the user, and then becomes the program.
    ///
    /// Subprocess 1.0 could do it, but after a raw clone: glibc's setgroups then waits for threads that the child does
    /// not have, and the child hangs for ever.
    ///
    /// Variables that tell the loader or the C library what to do are for the program alone: setpriv is still root.
    static func asUser(_ command: Command, noNewPrivileges: Bool = false) -> Command {
        guard let user = command.user, user.uid != geteuid() else { return command }
        let groups = Set(user.groups + [user.gid]).sorted().map(String.init).joined(separator: ",")
        var changed = command
        changed.user = nil
        changed.program = "/usr/bin/setpriv"
        changed.arguments = ["--reuid=\(user.uid)", "--regid=\(user.gid)", "--groups=\(groups)"]
        if noNewPrivileges { changed.arguments.append("--no-new-privs") }
        changed.arguments.append("--")
        let held = command.environment.filter { isForLibraries($0.key) }.sorted { $0.key < $1.key }
        for (name, _) in held { changed.environment[name] = nil }
        if !held.isEmpty { changed.arguments += ["/usr/bin/env"] + held.map { "\($0.key)=\($0.value)" } }
        changed.arguments += [command.program] + command.arguments
        return changed
    }

    private static func isForLibraries(_ name: String) -> Bool {
        ["LD_", "GLIBC_", "MALLOC_", "LIBMOUNT_", "BASH_"].contains { name.hasPrefix($0) }
            || ["GCONV_PATH", "LOCPATH", "NLSPATH", "ENV"].contains(name)
    }

    private static func outcome(
        _ status: TerminationStatus, _ seen: Supervisor.Report, _ began: ContinuousClock.Instant
    ) -> Outcome {
        let exit: Exit =
            switch status {
            case .exited(let code): .code(code)
            case .signaled(let signal): .signal(signal)
            }
        return Outcome(
            exit: exit, stopped: seen.stopped, outputHeldBy: seen.outputHeldBy, duration: ContinuousClock.now - began)
    }

    private static func reason(_ error: SubprocessError) -> String {
        if let underlying = error.underlyingError { return underlying.description.lowercasedFirst }
        return "\(error)".lowercasedFirst
    }
}

/// A pipe whose ends are closed on exec; the write end is handed to the program.
final class Pipe: Sendable {
    let readEnd: Int32
    let writeEnd: Int32

    init() throws {
        var ends: [Int32] = [-1, -1]
        guard pipe2(&ends, O_CLOEXEC) == 0 else {
            throw ShipitError(.failure, "could not make a pipe: \(systemReason(errno))")
        }
        (readEnd, writeEnd) = (ends[0], ends[1])
    }

    func closeReadEnd() { close(readEnd) }
}

/// Tells a thread that waits in poll to stop; closed with the value.
final class StopSignal: Sendable {
    let descriptor: Int32

    init() throws {
        descriptor = linux_eventfd()
        guard descriptor >= 0 else { throw ShipitError(.failure, "could not make an event: \(systemReason(errno))") }
    }

    deinit { close(descriptor) }

    func raise() {
        var one: UInt64 = 1
        _ = write(descriptor, &one, 8)
    }
}

/// The beginning of what a helper said.
final class Collected: Sendable {
    private let bytes = Mutex<[UInt8]>([])
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    func append(_ more: UnsafeRawBufferPointer) {
        bytes.withLock { $0 += more.prefix(max(0, limit - $0.count)) }
    }

    var text: String { bytes.withLock { String(decoding: $0, as: UTF8.self) } }
}
