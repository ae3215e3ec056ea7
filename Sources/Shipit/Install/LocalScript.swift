import CLinux
import Glibc

/// One hook script of a local deployment, run as the agent runs it (AWS reference 1.8).
struct LocalScript {
    let script: Appspec.Script
    let event: LifecycleEvent
    /// The revision that it belongs to.
    let archive: String
    /// All of it.
    let environment: [String: String]
    /// The agent has it in the caller's folder, never in the revision's.
    let directory: String
    let mark: String

    private var what: String { "\(event.rawValue): \(visibleLine(script.location))" }

    /// The file, wherever in the revision links lead, and the user; throws when one of them is not there.
    func find() throws -> (path: String, user: User?) {
        guard let path = try InstallRoot(archive).realFile(Array(script.location.utf8)) else {
            throw ShipitError(.failure, "\(what) is not in the revision")
        }
        return (path, try user())
    }

    /// Throws unless it ended well and let go of its output.
    func run(_ log: ScriptsLog, _ cancellation: Cancellation) async throws {
        let (path, user) = try find()
        if let status = FileSystem.status(path), status.st_mode & 0o111 == 0 {
            guard chmod(path, status.st_mode & 0o7777 | 0o111) == 0 else {
                throw ShipitError(.failure, "\(what) could not be made executable: \(systemReason(errno))")
            }
        }
        let (program, arguments) = try HookRunner.interpreter(path, script.location)
        var environment = environment
        if let user {
            // As su without a login has it.
            (environment["HOME"], environment["USER"], environment["LOGNAME"]) = (user.home, user.name, user.name)
        }
        let outcome = try await Program.run(
            Command(program, arguments, environment: environment, in: directory, as: user, mark: mark),
            limit: .seconds(script.timeout), cancellation: cancellation, errors: { log.output($0, "stderr") }
        ) { log.output($0, "stdout") }
        log.finish()
        if outcome.isSuccess { return }
        let suffix = user.map { " run as user \($0.name)" } ?? ""
        switch outcome.stopped {
        case .cancelled: throw CancellationError()
        case .timedOut:
            throw ShipitError(
                .failure, "\(what)\(suffix) took longer than \(script.timeout) seconds and was stopped")
        case nil: break
        }
        guard outcome.exit.isSuccess else {
            throw ShipitError(.failure, "\(what)\(suffix) failed with \(outcome.exit)")
        }
        let pids = outcome.outputHeldBy.map(String.init).joined(separator: ", ")
        throw ShipitError(
            .failure, "\(what) ended, but its child \(pids) kept the output open",
            hint: "start it with </dev/null >FILE 2>&1 &")
    }

    private func user() throws -> User? {
        guard let name = script.wantedUser else { return nil }
        guard let user = User.named(name) else {
            throw ShipitError(.failure, "\(what) wants to run as \(visibleLine(name)), who does not exist here")
        }
        if user.uid == geteuid() { return nil }
        guard geteuid() == 0 else {
            throw ShipitError(
                .failure, "\(what) wants to run as \(user.name), which only root can let it",
                hint: "run deploy-local as root")
        }
        return user
    }
}
