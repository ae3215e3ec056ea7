import CLinux
import GitKit
import Glibc

extension Doctor {
    /// An app's repository, its hook, its targets, and whether its builds are enclosed as policy wants them.
    func examine(_ app: App, _ installation: Installation) async throws -> [Item] {
        var items: [Item] = []
        for warning in app.warnings { items.append(Item(.warning, "policy of \(app.name)", warning.description)) }
        let again = "shipit init \(app.pipeline.repository) --app \(app.name)"
        do {
            if let item = try mirror(of: app, installation) { items.append(item) }
            let repository = try app.repository()
            items += disk("repository of \(app.name)", repository.path, needsLocks: false)
            if app.pipeline.remote == nil { items += try await hook(of: app, repository.path, installation, again) }
        } catch let error as GitError {
            items.append(
                Item(
                    .problem, "repository of \(app.name)", "could not \(error.operation): \(error.reason)",
                    mend: error.hint ?? again))
        }
        if app.pipeline.build.sandbox == .required, let obstacle = await Sandbox.obstacle(as: Sandbox.buildUser) {
            items.append(
                Item(
                    .problem, "builds of \(app.name)", "its policy wants them enclosed, and \(obstacle)",
                    mend: "apt install bubblewrap"))
        }
        items += try secrets(of: app, installation) + destinations(of: app, installation)
        for environment in app.pipeline.environments {
            for path in environment.targets { items += target(path, "target \(app.name) \(environment.name)") }
        }
        return items
    }

    /// How fetching a repository elsewhere goes.
    private func mirror(of app: App, _ installation: Installation) throws -> Item? {
        guard let remote = app.pipeline.remote else { return nil }
        let name = "mirror of \(app.name)"
        guard let record = try installation.ledger.fetchRecord(of: app.name), record.url == remote.url else {
            return Item(.warning, name, "\(remote.url) was never fetched", mend: "shipit fetch --app \(app.name)")
        }
        if let words = record.trouble { return Item(.problem, name, words, mend: "git ls-remote \(remote.url)") }
        if !WorkerLock.isHeld(installation.home) {
            return Item(.warning, name, "nobody fetches \(remote.url) regularly", mend: "shipit serve")
        }
        return Item(.ok, name, "\(remote.url), fetched \(record.fetchedAt?.local ?? "never")")
    }

    private func hook(
        of app: App, _ repository: String, _ installation: Installation, _ again: String
    ) async throws -> [Item] {
        let name = "hook of \(app.name)"
        let setup = Setup(installation, program: program)
        var items = try await setup.gaps(of: app).map { gap in
            Item(
                .problem, gap.part == .hook ? name : "settings of \(app.name)", "\(gap.place): \(gap.what)",
                mend: gap.isMendable ? again : "git -C \(repository) config --unset core.hooksPath")
        }
        if let record = try setup.read(app.name), Self.isNoexec(record.hook) {
            items.append(
                Item(
                    .problem, name, "\(record.hook) is on a file system mounted with noexec, so git cannot run it",
                    mend: "mount -o remount,exec …"))
        }
        return items.isEmpty ? [Item(.ok, name, "in place, and the settings too")] : items
    }

    private static func isNoexec(_ path: String) -> Bool {
        var status = statvfs()
        // ST_NOEXEC, which Glibc's module does not show.
        return statvfs(path, &status) == 0 && status.f_flag & 8 != 0
    }

    /// A target need not be there yet; then the folder that it will be made in is looked at.
    private func target(_ path: String, _ name: String) -> [Item] {
        if path == "/" {
            return geteuid() == 0
                ? [Item(.ok, name, "files go where the appspec says, anywhere on this machine")]
                : [
                    Item(
                        .warning, name, "files go where the appspec says and \(Self.me) may write", mend: "run as root")
                ]
        }
        guard let status = FileSystem.linkStatus(path) else {
            var parent = path
            while FileSystem.linkStatus(parent) == nil, let slash = parent.lastIndex(of: "/") {
                parent = slash == parent.startIndex ? "/" : String(parent[..<slash])
            }
            guard access(parent, W_OK | X_OK) == 0 else {
                return [
                    Item(
                        .problem, name, "\(path) cannot be made: \(parent) may not be written",
                        mend: "install -d \(path), and give it to \(Self.me)")
                ]
            }
            return [Item(.ok, name, "\(path) will be made by the first deployment")]
                + disk(name, parent, needsLocks: true)
        }
        switch status.st_mode & S_IFMT {
        case S_IFDIR: break
        case S_IFLNK:
            return [
                Item(.problem, name, "\(path) is a link", mend: "name its real path in pipeline.yml: realpath \(path)")
            ]
        default: return [Item(.problem, name, "\(path) is not a folder", mend: "mv \(path) \(path).away")]
        }
        var items = disk(name, path, needsLocks: true)
        if access(path, W_OK | X_OK) != 0 {
            items.append(
                Item(.problem, name, "\(path) may not be written by \(Self.me)", mend: "sudo chown \(Self.me) \(path)"))
        } else if status.st_uid != geteuid(), geteuid() != 0 {
            let owner = User.named(by: status.st_uid)?.name ?? "uid \(status.st_uid)"
            items.append(
                Item(
                    .warning, name, "\(path) belongs to \(owner), who can change what is live",
                    mend: "sudo chown \(Self.me) \(path)"))
        } else if status.st_mode & 0o002 != 0 {
            items.append(Item(.warning, name, "\(path) may be written by everybody", mend: "chmod o-w \(path)"))
        } else {
            items.append(Item(.ok, name, path))
        }
        return items
    }

    private static var me: String { User.named(by: geteuid())?.name ?? "uid \(geteuid())" }
}
