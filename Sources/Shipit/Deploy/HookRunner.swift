import CLinux
import GitKit
import Glibc

/// Runs the hook scripts of one lifecycle event on one target: the revision's, then the server's own.
struct HookRunner: Sendable {
    let plan: DeploymentPlan
    let target: String
    let log: LogFile
    /// Tells people that scripts of an event run.
    let announce: @Sendable (String) throws -> Void

    /// Scripts that put things back are no part of the attempt that they clear away.
    var isPuttingBack = false
    /// Where scripts mark the deployment; nil when nobody asks.
    var marks: Marks?

    /// The owner of the target, as whom scripts run that name nobody; nil for ourselves.
    var owner: User? {
        guard geteuid() == 0 else { return nil }
        if let name = plan.runas { return User.named(name) }
        guard let status = FileSystem.status(target), status.st_uid != 0 else { return nil }
        return User.named(by: status.st_uid)
            ?? User(name: "uid \(status.st_uid)", uid: status.st_uid, gid: status.st_gid, home: "/")
    }

    /// Runs what there is to run; throws on the first script that does not succeed. Says whether there was any.
    @discardableResult
    func run(
        _ event: LifecycleEvent, of release: Release, _ cancellation: Cancellation? = nil, began: () throws -> Void = {}
    ) async throws -> Bool {
        let scripts = release.appspec.hooks[event] ?? []
        let server = plan.serverHooks[event]
        if scripts.isEmpty && server == nil { return false }
        try began()
        log.say("lifecycle event \(event.rawValue)")
        if isPuttingBack {
            // A locked ledger must not keep the old release from coming back.
            try? announce("\(event.rawValue) on \(target)")
        } else {
            try announce("\(event.rawValue) on \(target)")
        }
        for (index, script) in scripts.enumerated() {
            let call = Call(
                path: "\(release.bundle)/\(script.location)", name: script.location, event: event, number: index,
                limit: .seconds(script.timeout), user: try user(script),
                view: event == .beforeInstall ? nil : release.view)
            try await run(call, release, cancellation)
        }
        if let server {
            let call = Call(
                path: server, name: "the server's \(event.fileName)", event: event, number: scripts.count,
                limit: .seconds(plan.hookTimeout), user: nil, isServer: true)
            try await run(call, release, cancellation)
        }
        return true
    }

    private struct Call {
        let path: String
        let name: String
        let event: LifecycleEvent
        let number: Int
        let limit: Duration
        let user: User?
        var isServer = false
        var view: View?
    }

    /// A release with what its hook scripts need.
    struct Release: Hashable, Sendable {
        var name: String
        var path: String
        var bundle: String
        var appspec: Appspec
        /// What its scripts see, except those of BeforeInstall.
        var view: View?

        var hasAppspec: Bool { Appspec.names.contains { FileSystem.exists("\(bundle)/\($0)") } }
    }

    func hasScripts(_ event: LifecycleEvent, of release: Release) -> Bool {
        !(release.appspec.hooks[event] ?? []).isEmpty || plan.serverHooks[event] != nil
    }

    /// Everything about the scripts that can be known before anything is touched.
    func check(_ release: Release, _ events: [LifecycleEvent]) throws {
        for event in events {
            for script in release.appspec.hooks[event] ?? [] {
                _ = try user(script)
                let path = "\(release.bundle)/\(script.location)"
                guard let status = FileSystem.linkStatus(path) else {
                    throw ShipitError(
                        .failure, "\(event.rawValue): the script \(script.location) is not in the artifact")
                }
                guard status.st_mode & S_IFMT == S_IFREG else {
                    throw ShipitError(
                        .failure, "\(event.rawValue): the script \(script.location) is not a regular file")
                }
                if status.st_mode & 0o111 == 0 {
                    log.say("\(script.location) is not executable; it is made so in the release")
                    try makeExecutable(script.location, in: release.bundle)
                }
                _ = try Self.interpreter(path, script.location)
            }
            if let server = plan.serverHooks[event], access(server, X_OK) != 0 {
                throw ShipitError(.failure, "the server's hook \(server) is not executable", hint: "chmod +x \(server)")
            }
        }
    }

    private func user(_ script: Appspec.Script) throws -> User? {
        guard let name = script.wantedUser else {
            if let runas = plan.runas, geteuid() == 0, User.named(runas) == nil {
                throw ShipitError(.configuration, "runas names the user \(visibleLine(runas)), who does not exist")
            }
            return owner
        }
        guard let user = User.named(name) else {
            throw ShipitError(
                .failure, "\(script.location) wants to run as \(visibleLine(name)), who does not exist here",
                hint: "add the user, or take runas out of appspec.yml")
        }
        if user.uid == geteuid(), user.uid != 0 { return nil }
        guard geteuid() == 0 else {
            throw ShipitError(
                .failure, "\(script.location) wants to run as \(user.name), and shipit is not root here",
                hint: "take runas out of appspec.yml, or run shipit as root")
        }
        guard mayBe(user) else {
            let way = user.uid == 0 ? "runas: root" : "runas: {\(user.name): \(user.name)}"
            throw ShipitError(
                .failure, "\(script.location) wants to run as \(user.name), and the policy does not say so",
                hint: "\(way) in the environment of pipeline.yml allows it")
        }
        return user
    }

    /// By descriptor and inside the bundle: whose it is may put a link in the place of a script.
    private func makeExecutable(_ location: String, in bundle: String) throws {
        let root = try InstallRoot(bundle)
        guard let status = try root.status(Array(location.utf8), following: false),
            status.st_mode & S_IFMT == S_IFREG, status.st_mode & 0o111 == 0
        else { return }
        let file = try root.openFile(Array(location.utf8), O_RDONLY | O_NONBLOCK | O_NOFOLLOW, what: "open")
        defer { close(file) }
        var opened = stat()
        guard fstat(file, &opened) == 0, opened.st_ino == status.st_ino, fchmod(file, 0o755) == 0 else {
            throw root.failure("make executable", Array(location.utf8))
        }
    }

    private func run(_ call: Call, _ release: Release, _ cancellation: Cancellation?) async throws {
        log.command(call.name)
        let account = call.user ?? User.named(by: geteuid())
        var environment = Command.plainEnvironment
        environment["HOME"] = account?.home ?? "/"
        environment["USER"] = account?.name ?? ""
        environment["LOGNAME"] = account?.name ?? ""
        if !call.isServer { environment.merge(plan.runVariables) { $1 } }
        // What the server sets wins.
        environment.merge(plan.variables) { $1 }
        environment.merge(variables(call.event, release)) { $1 }
        environment["PATH"] = Marks.findingShipit(environment["PATH"] ?? Command.path)
        if let marks { environment[Marks.variable] = try marks.open(for: call.user) }
        if !call.isServer { try makeExecutable(call.name, in: release.bundle) }
        let (program, arguments) = try Self.interpreter(call.path, call.name)
        let mark = "\(isPuttingBack ? plan.backMark : plan.mark).\(call.event.rawValue).\(call.number)"
        let command = Command(
            program, arguments, environment: environment, in: folder(of: release), as: call.user, mark: mark)
        let log = log
        try await call.view?.makeStubs(as: owner)
        let seeing = call.view?.enclosing(command) ?? command
        let outcome = try await Program.run(seeing, limit: call.limit, cancellation: cancellation) { log.output($0) }
        log.finish()
        if outcome.isSuccess { return }
        // Nothing of a script that failed outlives it, also what left its group and session.
        ProcessSweep.end(marked: mark)
        let what = "\(call.event.rawValue): \(call.name)"
        switch outcome.stopped {
        case .cancelled: throw DeploymentFailure(cause: .cancelled, message: "cancelled during \(what)")
        case .timedOut:
            throw DeploymentFailure(
                cause: .failed, message: "\(what) took longer than \(call.limit.spoken) and was stopped")
        case nil: break
        }
        guard outcome.exit.isSuccess else {
            throw DeploymentFailure(cause: .failed, message: "\(what) ended with \(outcome.exit)")
        }
        let pids = outcome.outputHeldBy.map(String.init).joined(separator: ", ")
        throw DeploymentFailure(
            cause: .failed,
            message: "\(what) ended, but its child \(pids) kept the output open; start it with </dev/null >FILE 2>&1")
    }

    /// In place it is what is installed to, as the agent, which works in `/`, has it.
    private func folder(of release: Release) -> String {
        plan.layout == .releases && FileSystem.isFolder(release.path) ? release.path : target
    }

    /// AWS's variables and ours (AWS reference 1.8).
    private func variables(_ event: LifecycleEvent, _ release: Release) -> [String: String] {
        var variables = [
            "APPLICATION_NAME": plan.owner.app,
            "DEPLOYMENT_ID": "d-\(padded(Int(plan.deployment), 9))",
            "DEPLOYMENT_GROUP_NAME": plan.owner.environment,
            "DEPLOYMENT_GROUP_ID": "\(plan.owner.app)/\(plan.owner.environment)",
            "LIFECYCLE_EVENT": event.rawValue,
            "SHIPIT_APP": plan.owner.app,
            "SHIPIT_ENVIRONMENT": plan.owner.environment,
            // Of the release whose script this is: one that is started again must not claim to be the one that failed.
            "SHIPIT_REVISION": (release.name == plan.release ? plan.revision : plan.previousRevision ?? plan.revision)
                .hex,
            "SHIPIT_PREVIOUS_REVISION": plan.previousRevision?.hex ?? "",
            "SHIPIT_RELEASE_DIR": release.path,
            "SHIPIT_TARGET": target,
            "SHIPIT_RUN": "\(plan.run)",
            "SHIPIT_ATTEMPT": "\(plan.attempt)",
        ]
        if event == .rollback {
            variables["SHIPIT_ROLLBACK_TO"] = plan.revision.hex
            variables["SHIPIT_ROLLBACK_TO_DIR"] = "\(plan.store(of: target))/releases/\(plan.release)"
        }
        return variables
    }

    /// A script without an interpreter line runs under /bin/sh, as the AWS agent's do.
    static func interpreter(_ path: String, _ name: String) throws -> (program: String, arguments: [String]) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw ShipitError(.failure, "could not read the script \(name): \(systemReason(errno))")
        }
        defer { close(descriptor) }
        var head = [UInt8](repeating: 0, count: 256)
        let bytes = head[..<max(0, read(descriptor, &head, head.count))]
        if bytes.starts(with: [0x7F] + Array("ELF".utf8)) { return (path, []) }
        guard bytes.starts(with: Array("#!".utf8)) else { return ("/bin/sh", [path]) }
        let line = bytes.prefix { $0 != UInt8(ascii: "\n") }
        if line.last == UInt8(ascii: "\r") {
            throw ShipitError(
                .failure, "the script \(name) has Windows line ends, so its interpreter cannot be found",
                hint: "sed -i 's/\\r$//' \(name), or *.sh text eol=lf in .gitattributes")
        }
        return (path, [])
    }
}
