import ArtifactKit
import CLinux
import Glibc
import Synchronization

/// Installs one bundle as `codedeploy-local` does, with the agent's folders and logs, and no app (AWS reference 1.6 to 1.13).
///
/// What it does better: all that is wrong is said before anything is touched, and an installation that fails or is killed
/// leaves the old files.
public final class LocalDeployment: Sendable {
    public let request: LocalRequest
    public let configuration: LocalConfiguration
    /// Of the person, of which scripts get a few variables.
    let variables: [String: String]
    let directory: String
    /// As the agent names them: d-, nine letters or digits, and that it is local.
    public let id: String
    /// Told to the person.
    let say: @Sendable (String) -> Void
    /// The appspec is read at each event, and its warnings are said once.
    private let hasWarned = Mutex(false)
    private let cancellation = Cancellation()

    public init(
        _ request: LocalRequest, _ configuration: LocalConfiguration, variables: [String: String],
        in directory: String, say: @escaping @Sendable (String) -> Void
    ) {
        self.request = request
        self.configuration = configuration
        self.variables = variables
        self.directory = directory
        self.say = say
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
        id = "d-" + String((0..<9).map { _ in letters[Int.random(in: 0..<letters.count)] }) + "-local"
    }

    private var groupFolder: String { "\(configuration.root)/\(request.group)" }
    private var instructions: String { "\(configuration.root)/deployment-instructions" }
    public var folder: String { "\(groupFolder)/\(id)" }
    private var archive: String { "\(folder)/deployment-archive" }
    public var scriptsLog: String { "\(folder)/logs/scripts.log" }
    private var lastSuccessful: String { "\(instructions)/\(request.group)_last_successful_install" }
    private var mostRecent: String { "\(instructions)/\(request.group)_most_recent_install" }

    /// Stops the script that runs; an installation that has begun is put back.
    public func stop() { cancellation.cancel() }

    /// Returns when every event has come to its end; throws at the first that did not.
    public func run() async throws {
        try request.check()
        // As the agent's second version has it.
        umask(0o022)
        let taken = ["deployment-instructions", "deployment-logs", "ongoing-deployment"]
        guard !request.group.isEmpty, !request.group.contains("/"), !request.group.hasPrefix("."),
            !taken.contains(request.group), !request.group.utf8.contains(where: { $0 < 0x20 })
        else {
            throw ShipitError(.usage, "the deployment group wants a plain name")
        }
        for path in [instructions, "\(configuration.root)/deployment-logs", groupFolder] {
            _ = try Directory(creating: path)
        }
        let lock = try FileLock("\(instructions)/.\(request.group).lock", busy: "another deployment of this group runs")
        defer { withExtendedLifetime(lock) {} }
        let remarks = try InstallTransaction.recover(
            in: try Directory(path: instructions), of: request.group, at: try InstallRoot("/"))
        for remark in remarks { say("warning: \(remark)") }
        _ = try Directory(creating: "\(folder)/logs")
        for event in request.events {
            try cancellation.check()
            switch event {
            case .downloadBundle: try await onThread { try self.unpack() }
            case .install: try await install()
            default: try await run(event)
            }
        }
    }

    // MARK: The bundle

    private func unpack() throws {
        say("unpacking \(visibleLine(request.bundle))")
        try removeOldest()
        let target = try Directory(creating: archive)
        if request.type == .directory {
            let bundle = try Directory(path: request.bundle)
            let (inner, outer) = (FileSystem.realPath(archive) ?? archive, FileSystem.realPath(request.bundle) ?? "")
            guard !inner.hasPrefix("\(outer)/") else {
                throw ShipitError(
                    .usage, "\(visibleLine(request.bundle)) holds the agent's own folder \(configuration.root)",
                    hint: "name the folder of the revision, or another root_dir")
            }
            for (name, _) in try bundle.entries() {
                _ = try bundle.copyTree(name, to: name, in: target) { try cancellation.check() }
            }
        } else {
            guard symlink(request.bundle, "\(folder)/bundle.tar") == 0 else {
                throw ShipitError(.failure, "could not write \(visibleLine(folder)): \(systemReason(errno))")
            }
            let format: BundleArchive.Format =
                switch request.type {
                case .tar: .tar
                case .tgz: .tgz
                default: .zip
                }
            try BundleArchive.unpack(request.bundle, format, into: target) { try cancellation.check() }
            try stripOnlyFolder()
        }
        try FileSystem.write(mostRecent, Array(folder.utf8), mode: 0o644)
    }

    private func stripOnlyFolder() throws {
        guard let only = UnpackedRevision.onlyFolder(in: archive) else { return }
        guard rename(only, "\(folder)/.stripped") == 0, rmdir(archive) == 0,
            rename("\(folder)/.stripped", archive) == 0
        else { throw ShipitError(.failure, "could not unpack into \(visibleLine(archive)): \(systemReason(errno))") }
    }

    /// So that with this one there are as many as may stay; the one whose files are installed stays in any case.
    private func removeOldest() throws {
        let live = try FileSystem.readText(lastSuccessful)?.trimmed.split(separator: "/").last.map(String.init)
        let parent = try Directory(path: groupFolder)
        let old = try parent.entries().map(\.name).filter { $0 != Array(id.utf8) }
            .map { (name: $0, since: try parent.metadata($0)?.modified ?? 0) }
            .sorted { $0.since < $1.since }
        let surplus = old.count + 1 - configuration.maxRevisions
        guard surplus > 0 else { return }
        for (name, _) in old.filter({ !$0.name.elementsEqual((live ?? "").utf8) }).prefix(surplus) {
            try parent.removeTree(name) { try cancellation.check() }
        }
    }

    // MARK: The appspec

    private func appspec(in archive: String, ofFormer: Bool = false) throws -> (spec: Appspec, file: String) {
        // The two usual names stand for each other; one that somebody chose stands for itself.
        let usual = Appspec.names
        let wanted = request.appspec ?? usual[0]
        // What an earlier revision called its own was another deployment's choice.
        let names = usual.contains(wanted) || ofFormer ? [wanted] + usual.filter { $0 != wanted } : [wanted]
        for name in names {
            guard let bytes = try FileSystem.read("\(archive)/\(name)", limit: YAMLReader.sizeLimit + 1) else {
                continue
            }
            // Somebody had a reason for the events of an earlier one.
            let (spec, warnings) = try Appspec.parse(
                bytes, file: name, customEvents: ofFormer ? nil : request.customEvents)
            if ofFormer { return (spec, name) }
            for warning in warnings where !hasWarned.withLock({ $0 }) { say(warning.description) }
            hasWarned.withLock { $0 = true }
            return (spec, name)
        }
        throw ShipitError(.failure, "there is no \(visibleLine(wanted)) in the revision")
    }

    // MARK: Install

    private func install() async throws {
        let (spec, file) = try appspec(in: archive)
        for event in request.customEvents where spec.hooks[LifecycleEvent(rawValue: event)] == nil {
            throw ShipitError(.failure, "the event \(visibleLine(event)) is not in \(file), and not one of AWS's")
        }
        let later = request.events.drop { $0 != .install }
        for event in later {
            for script in spec.hooks[event] ?? [] { _ = try self.script(script, of: event, archive, 0).find() }
        }
        let state = try Directory(path: instructions)
        let root = try InstallRoot("/"), bundle = try InstallRoot(archive)
        let cleanup = try FileSystem.read("\(instructions)/\(request.group)-cleanup", limit: 1 << 30) ?? []
        let plan = try InstallPlanner.plan(
            spec, file, from: bundle, to: root, behavior: request.behavior,
            after: CleanupList(parsing: cleanup, below: root.path))
        for remark in plan.remarks { say("warning: \(remark)") }
        try state.writeAtomically(
            Array("\(request.group)-install.json".utf8), Array(plan.instructions(from: bundle, to: root).utf8))
        // From there on these are the scripts that stop it, whatever becomes of the events that follow.
        let transaction = InstallTransaction(
            plan, from: bundle, to: root, state: state, group: request.group, id: id, lastSuccessful: folder)
        for remark in try await transaction.run(check: { try cancellation.check() }) { say("warning: \(remark)") }
        say(
            "installed: \(plan.copies.count) files, \(plan.folders.count) folders made, \(plan.removals.count) old ones removed"
        )
    }

    // MARK: Scripts

    private func run(_ event: LifecycleEvent) async throws {
        let isOfFormer = LocalRequest.ofFormer.contains(event) && !FileSystem.exists(archive)
        var archive = archive
        if isOfFormer {
            // The first deployment has nothing to stop.
            guard let former = try FileSystem.readText(lastSuccessful)?.trimmed, !former.isEmpty else { return }
            archive = "\(former)/deployment-archive"
            guard FileSystem.isFolder(archive) else {
                return say(
                    "warning: \(event.rawValue) is left out, since the revision that is installed is gone from \(former)"
                )
            }
        }
        do {
            let scripts = try appspec(in: archive, ofFormer: isOfFormer).spec.hooks[event] ?? []
            guard !scripts.isEmpty else { return }
            try await run(scripts, of: event, in: archive)
        } catch let error where isOfFormer && !(error is CancellationError) {
            guard request.ignoresStopFailures else {
                throw ShipitError(
                    .failure, "\(error)",
                    hint:
                        "the script is of the revision that is installed now; --ignore-application-stop-failures goes on without it"
                )
            }
            say("warning: \(error); going on, as asked")
        }
    }

    private func run(
        _ scripts: [Appspec.Script], of event: LifecycleEvent, in archive: String
    ) async throws {
        let log = ScriptsLog()
        try log.open(scriptsLog) { "\(Timestamp.now.localSeconds) " }
        if configuration.keepsDeploymentsLog {
            let id = id
            try log.open("\(configuration.root)/deployment-logs/codedeploy-agent-deployments.log") {
                let now = Timestamp.now
                return "[\(now.localSeconds).\(padded(Int(now.milliseconds % 1000), 3))] [\(id)]"
            }
        }
        log.say("LifecycleEvent - \(event.rawValue)")
        say(event.rawValue)
        for (number, script) in scripts.enumerated() {
            log.say("Script - \(script.location)")
            try await self.script(script, of: event, archive, number).run(log, cancellation)
        }
    }

    private func script(
        _ script: Appspec.Script, of event: LifecycleEvent, _ archive: String, _ number: Int
    ) -> LocalScript {
        LocalScript(
            script: script, event: event, archive: archive, environment: environment(event), directory: directory,
            mark: "\(id).\(event.rawValue).\(number)")
    }

    /// AWS's variables, and of the person's own what a program needs to feel at home; nothing else is handed on.
    private func environment(_ event: LifecycleEvent) -> [String: String] {
        var environment = Command.plainEnvironment
        for name in ["PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TERM", "TMPDIR"] {
            if let value = variables[name] { environment[name] = value }
        }
        environment["APPLICATION_NAME"] = request.application
        environment["DEPLOYMENT_ID"] = id
        environment["DEPLOYMENT_GROUP_NAME"] = request.groupName
        environment["DEPLOYMENT_GROUP_ID"] = request.group
        environment["LIFECYCLE_EVENT"] = event.rawValue
        return environment
    }
}
