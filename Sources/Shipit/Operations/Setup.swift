import CLinux
import FoundationEssentials
import GitKit
import Glibc

/// Makes an app of a repository, and undoes exactly that.
public struct Setup: Sendable {
    let installation: Installation
    /// Absolute paths that the hook calls.
    let program: String
    let receiver: String

    /// What was changed in a repository and how it was before, so that it can be undone.
    struct Record: Codable, Sendable {
        var repository: String
        var madeRepository: Bool
        var hook: String
        /// The hook that was there before, under its present name.
        var chained: String?
        /// Settings that were added or changed: the value before, nil for none.
        var settings: [Setting]

        struct Setting: Codable, Sendable {
            var key: String
            var value: String
            var former: String?
            /// One of several values of its key.
            var isMulti: Bool
        }
    }

    public init(_ installation: Installation, program: String) {
        self.installation = installation
        self.program = program
        let slash = program.lastIndex(of: "/") ?? program.startIndex
        receiver = "\(program[..<slash])/shipit-receive"
    }

    // MARK: Init

    /// What init was asked for.
    public struct Request: Sendable {
        public var repository: String
        public var app: String
        public var template: String
        /// The folder of the environments' targets.
        public var targets: String

        public init(repository: String, app: String, template: String, targets: String) {
            self.repository = repository
            self.app = app
            self.template = template
            self.targets = targets
        }
    }

    /// Makes the app; says each thing that it does. Repeating it mends what is missing and changes nothing else.
    public func initialise(_ request: Request, say: (String) -> Void) async throws {
        guard Name.isValid(request.app) else {
            throw ShipitError(
                .usage, "\(visibleLine(request.app)) is no name for an app",
                hint: "--app NAME, of a-z, 0-9 and -, beginning with a letter or digit")
        }
        guard FileSystem.exists(receiver) else {
            throw ShipitError(.failure, "\(receiver) is missing beside shipit", hint: "make install puts both in place")
        }
        let home = installation.home
        let isNew = !FileSystem.exists(home.policy(request.app))
        if !isNew {
            let app = try installation.app(request.app)
            guard app.pipeline.repository == request.repository else {
                throw ShipitError(
                    .usage, "there is an app \(request.app) already, of \(app.pipeline.repository)",
                    hint: "--app ANOTHER-NAME")
            }
        }
        let remote = try remote(request)
        var made = false
        if let remote {
            try await fetchMirror(remote, of: request.app, isNew: isNew, say)
        } else {
            made = try await makeRepository(request.repository, say)
            // Whatever is wrong with it comes out before anything else is made.
            _ = try Repository(at: request.repository)
        }
        if isNew {
            try makeFolder(home.app(request.app))
            try makeFolder("\(home.app(request.app))/hooks")
            try makeFolder("\(home.app(request.app))/environments")
            let bytes = Array(try policyText(request).utf8)
            _ = try Pipeline.parse(bytes, file: home.policy(request.app))
            try FileSystem.write(home.policy(request.app), bytes, mode: 0o600)
            say("made the policy \(home.policy(request.app))")
        }
        let app = try installation.app(request.app)
        let repository = try app.repository()
        let isKnown = try installation.ledger.hasApp(app.name)
        try installation.ledger.addApp(app.name, repository: request.repository)
        try know(app, repository, isNew: !isKnown, say)
        if remote != nil { return try recordFetch(of: app) }
        let record = try await installRecord(app, repository, made, say)
        try write(record, app)
        try openSpool(to: repository, say)
    }

    private func remote(_ request: Request) throws -> RemoteRepository? {
        do {
            return try RemoteRepository(request.repository)
        } catch {
            throw ShipitError(.usage, "this cannot be the repository: \(error.what)")
        }
    }

    private func makeRepository(_ path: String, _ say: (String) -> Void) async throws -> Bool {
        if FileSystem.exists("\(path)/HEAD") || FileSystem.exists("\(path)/.git") { return false }
        if FileSystem.exists(path), !FileSystem.names(in: path).isEmpty {
            throw ShipitError(
                .usage, "\(path) is neither a git repository nor empty", hint: "name a repository, or a new folder")
        }
        let command = Command(
            "/usr/bin/git", ["init", "--quiet", "--bare", "--initial-branch=main", "--", path],
            environment: Git.environment)
        let (exit, text) = try await Program.output(of: command)
        guard exit.isSuccess else {
            throw ShipitError(
                .failure,
                "could not make the repository \(path): \(visibleLine(text.split(separator: "\n").last ?? ""))")
        }
        say("made the bare repository \(path)")
        return true
    }

    private func policyText(_ request: Request) throws -> String {
        guard let file = EmbeddedFiles.all.first(where: { $0.path == "templates/\(request.template)/pipeline.yml" })
        else {
            throw Templates.unknown(request.template)
        }
        let quoted = { (text: String) in
            text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        }
        return file.content.replacing("@APP@", with: request.app)
            .replacing("@REPOSITORY@", with: quoted(request.repository))
            .replacing("@TARGETS@", with: quoted(request.targets))
    }

    /// Present references are taken as known, not shipped.
    private func know(_ app: App, _ repository: Repository, isNew: Bool, _ say: (String) -> Void) throws {
        guard isNew else { return }
        let known = try app.pipeline.references(of: repository)
        let flag = installation.appNames().count > 1 ? " --app \(app.name)" : ""
        for (name, id) in known.sorted(by: { $0.key < $1.key }) {
            let short = ReferenceName(escaped: name).short
            say("\(short) at \(id.abbreviated()) is taken as known, not shipped; shipit start \(short)\(flag) ships it")
        }
        let branches = try repository.references(under: "refs/heads/").map(\.0.short)
        if known.isEmpty, !branches.isEmpty {
            let names = branches.prefix(3).joined(separator: ", ") + (branches.count > 3 ? ", …" : "")
            say("no trigger of its policy names a branch that is there (\(names)): see triggers:")
        }
        try installation.ledger.know(known, of: app.name)
        try installation.ledger.track(app.pipeline.trackedReferences, of: app.name)
    }

    // MARK: The repository's side

    static let settings: [(key: String, value: String, isMulti: Bool)] = [
        ("core.fsync", "all", false),
        ("receive.fsckObjects", "true", false),
        ("receive.fsck.zeroPaddedFilemode", "warn", false),
        ("receive.fsck.badTimezone", "warn", false),
        ("receive.fsck.missingSpaceBeforeDate", "warn", false),
        ("receive.advertisePushOptions", "true", false),
        ("receive.hideRefs", "refs/shipit", true),
        ("uploadpack.hideRefs", "refs/shipit/keep", true),
    ]

    private func installRecord(
        _ app: App, _ repository: Repository, _ made: Bool, _ say: (String) -> Void
    ) async throws -> Record {
        let path = repository.path
        var record =
            try existingRecord(path)
            ?? Record(
                repository: path, madeRepository: made, hook: try hookPath(repository), chained: nil, settings: [])
        for setting in Self.settings {
            let values = try await gitConfig(["--get-all", setting.key], in: path).split(separator: "\n").map(
                String.init)
            if setting.isMulti ? values.contains(setting.value) : values.last == setting.value { continue }
            if setting.isMulti {
                _ = try await gitConfig(["--add", setting.key, setting.value], in: path, mustWork: true)
            } else {
                _ = try await gitConfig(["--replace-all", setting.key, setting.value], in: path, mustWork: true)
            }
            let former = setting.isMulti ? nil : values.last
            record.settings.removeAll { $0.key == setting.key && $0.value == setting.value }
            record.settings.append(
                Record.Setting(key: setting.key, value: setting.value, former: former, isMulti: setting.isMulti))
            say("set \(setting.key)=\(setting.value)\(former.map { " (it was \($0))" } ?? "")")
        }
        try installHook(&record, repository, say)
        return record
    }

    /// What an earlier init of any app of the same repository did: the former values are the true ones.
    private func existingRecord(_ path: String) throws -> Record? {
        for name in FileSystem.names(in: installation.home.apps) {
            if let record = try read(name), record.repository == path { return record }
        }
        return nil
    }

    func hookPath(_ repository: Repository) throws -> String {
        guard let folder = try repository.config("core.hooksPath"), !folder.isEmpty else {
            return "\(repository.path)/hooks/post-receive"
        }
        let absolute = folder.hasPrefix("/") ? folder : "\(repository.path)/\(folder)"
        return "\(absolute.normalisedPath)/post-receive"
    }

    static let hookMark = "# shipit post-receive hook"

    private func installHook(_ record: inout Record, _ repository: Repository, _ say: (String) -> Void) throws {
        let hook = record.hook
        let slash = hook.lastIndex(of: "/") ?? hook.startIndex
        let folder = String(hook[..<slash])
        if !FileSystem.exists(folder) {
            guard mkdir(folder, 0o755) == 0 else {
                throw ShipitError(.failure, "could not make \(folder): \(systemReason(errno))")
            }
        }
        let there = try FileSystem.readText(hook)
        if let there, !there.contains(Self.hookMark) {
            let chained = "\(hook).before-shipit"
            guard !FileSystem.exists(chained) else {
                throw ShipitError(
                    .failure, "\(hook) is not shipit's, and \(chained) is there already", hint: "move one of them away")
            }
            guard rename(hook, chained) == 0 else {
                throw ShipitError(.failure, "could not rename \(hook): \(systemReason(errno))")
            }
            if access(chained, X_OK) == 0 {
                record.chained = chained
                say("the hook that was there runs after shipit's, as \(chained)")
            } else {
                say("the hook that was there was not executable and stays out, as \(chained)")
            }
        }
        let text = try hookText(record)
        if there == text, access(hook, X_OK) == 0 { return }
        try FileSystem.write(hook, Array(text.utf8), mode: 0o755)
        if geteuid() == 0, let owner = FileSystem.status(repository.path) { chown(hook, owner.st_uid, owner.st_gid) }
        say("installed the hook \(hook)")
    }

    /// What the hook of this program and this home says.
    func hookText(_ record: Record) throws -> String {
        guard let template = EmbeddedFiles.all.first(where: { $0.path == "hooks/post-receive" })?.content else {
            throw ShipitError(.failure, "this shipit was built without its hook")
        }
        return template.replacing("@RECEIVE@", with: shellQuoted(receiver))
            .replacing("@PROGRAM@", with: shellQuoted(program))
            .replacing("@HOME@", with: shellQuoted(installation.home.path))
            .replacing("@CHAINED@", with: shellQuoted(record.chained ?? ""))
    }

    private func shellQuoted(_ word: String) -> String { "'\(word.replacing("'", with: "'\\''"))'" }

    /// Pushers of a repository that is not only ours must be able to leave a spool file.
    private func openSpool(to repository: Repository, _ say: (String) -> Void) throws {
        guard let status = FileSystem.status(repository.path) else { return }
        let shared =
            try repository.config("core.sharedRepository").map { !["", "0", "false", "umask"].contains($0) } ?? false
        guard shared || status.st_uid != geteuid() else { return }
        let spool = installation.home.spool
        if let there = FileSystem.status(spool), there.st_uid != geteuid(), there.st_uid != status.st_uid {
            let owner = User.named(by: there.st_uid)?.name ?? "uid \(there.st_uid)"
            say("warning: \(spool) serves the repositories of \(owner); pushes of others are found by comparing")
            return
        }
        guard chown(spool, status.st_uid == geteuid() ? geteuid() : status.st_uid, status.st_gid) == 0 || !shared else {
            say("warning: the group of \(repository.path) could not be given \(spool); only its owner can push")
            return
        }
        chmod(spool, 0o2770)
        say("\(spool) may be written by the repository's owner and group")
    }

    // MARK: Remove

    /// Undoes what init did: hook, settings, references, policy and ledger; targets stay.
    public func remove(_ app: App, say: (String) -> Void) async throws {
        guard try installation.ledger.openJobs().allSatisfy({ $0.job.app != app.name }) else {
            throw ShipitError(.busy, "a run of \(app.name) is under way", hint: "shipit cancel, or wait")
        }
        let record = try read(app.name)
        let others = FileSystem.names(in: installation.home.apps).filter { $0 != app.name }
        let isShared = try others.contains { try read($0)?.repository == record?.repository }
        if app.pipeline.remote != nil {
            try removeMirror(of: app, say)
        } else if FileSystem.isFolder(app.pipeline.repository) {
            do {
                try await StateReferences(installation: installation).remove(app, keepRefsToo: !isShared)
            } catch {
                say("warning: shipit's references stay in \(app.pipeline.repository): \(error)")
            }
        }
        // Also where the policy names another place by now.
        if let record, !isShared, FileSystem.isFolder(record.repository) { try await undo(record, say) }
        try removeFolder(installation.home.artifacts(app.name))
        KeptWorkspace(home: installation.home, app: app.name).remove()
        try removeFolder(installation.home.caches(app.name))
        try installation.ledger.removeApp(app.name)
        try removeFolder(installation.home.app(app.name))
        for target in app.pipeline.environments.flatMap(\.targets) where FileSystem.isFolder(target) {
            say("the target \(target) stays as it is")
        }
        say("removed the app \(app.name)")
    }

    private func undo(_ record: Record, _ say: (String) -> Void) async throws {
        if let text = try FileSystem.readText(record.hook), text.contains(Self.hookMark) {
            if let chained = record.chained, FileSystem.exists(chained) {
                guard rename(chained, record.hook) == 0 else {
                    throw ShipitError(.failure, "could not put back \(record.hook): \(systemReason(errno))")
                }
                say("put back the hook that was there before")
            } else {
                unlink(record.hook)
                say("removed the hook \(record.hook)")
            }
        }
        for setting in record.settings {
            let values = try await gitConfig(["--get-all", setting.key], in: record.repository).split(separator: "\n")
            // What somebody changed since then is theirs.
            guard values.contains(Substring(setting.value)) else { continue }
            if setting.isMulti {
                let pattern = "^\(setting.value.replacing(".", with: "\\."))$"
                _ = try await gitConfig(["--unset-all", setting.key, pattern], in: record.repository)
            } else if let former = setting.former {
                _ = try await gitConfig(["--replace-all", setting.key, former], in: record.repository, mustWork: true)
            } else {
                _ = try await gitConfig(["--unset-all", setting.key], in: record.repository)
            }
            say("\(setting.key) is \(setting.former ?? "unset") again")
        }
    }

    private func removeFolder(_ path: String) throws { Workspaces.remove(path) }

    private func makeFolder(_ path: String) throws {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else {
            throw ShipitError(.failure, "could not make \(path): \(systemReason(errno))")
        }
    }

    func gitConfig(_ arguments: [String], in path: String, mustWork: Bool = false) async throws -> String {
        let (exit, text) = try await Program.output(of: Git.command(["config", "--local"] + arguments, in: path))
        guard exit.isSuccess || !mustWork else {
            throw ShipitError(
                .failure, "could not set \(arguments.dropFirst().first ?? "") in \(path): \(visibleLine(text))")
        }
        return exit.isSuccess ? text : ""
    }

    // MARK: The record

    private func recordPath(_ app: String) -> String { "\(installation.home.app(app))/repository.json" }

    func read(_ app: String) throws -> Record? {
        guard let bytes = try FileSystem.read(recordPath(app)) else { return nil }
        do {
            return try JSONDecoder().decode(Record.self, from: Data(bytes))
        } catch {
            throw ShipitError(.failure, "\(recordPath(app)) is damaged", hint: "remove it; shipit init makes it again")
        }
    }

    private func write(_ record: Record, _ app: App) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try FileSystem.write(recordPath(app.name), Array(try encoder.encode(record)), mode: 0o600)
    }
}
