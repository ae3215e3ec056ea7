import GitKit

/// An app of a repository elsewhere: a mirror instead of a hook and settings.
extension Setup {
    /// Fetches what is there; a new app of a place that cannot be fetched is not made at all.
    func fetchMirror(_ remote: RemoteRepository, of app: String, isNew: Bool, _ say: (String) -> Void) async throws {
        let mirror = Mirror(home: installation.home, app: app, remote: remote)
        let existed = mirror.exists
        do {
            try await mirror.fetch()
        } catch let error as ShipitError where isNew {
            if !existed { Workspaces.remove(mirror.path) }
            throw ShipitError(
                error.code, "\(remote.url) could not be fetched: \(error.message)",
                hint: error.hint ?? "git ls-remote \(remote.url)")
        }
        if existed { return }
        say("fetched \(remote.url) into the mirror \(mirror.path)")
        say("shipit's own references (refs/shipit/…) are in the mirror alone: nothing is ever sent to \(remote.place)")
    }

    /// Tells the ledger that the mirror is as fresh as can be.
    func recordFetch(of app: App) throws {
        guard let remote = app.pipeline.remote else { return }
        try installation.ledger.expectFetches([app.name: remote.url], of: [app.name])
        guard let record = try installation.ledger.fetchRecord(of: app.name) else { return }
        try installation.ledger.fetched(record, next: .now + app.pipeline.fetchInterval, known: [:])
    }

    func removeMirror(of app: App, _ say: (String) -> Void) throws {
        let path = installation.home.mirror(app.name)
        try installation.home.prepareMirrors()
        let lock = try FileLock(
            installation.home.mirrorLock(app.name), busy: "\(app.pipeline.repository) is being fetched just now")
        defer { withExtendedLifetime(lock) {} }
        if FileSystem.exists(path) {
            Workspaces.remove(path)
            say("removed the mirror \(path)")
        }
        Workspaces.remove(installation.home.mirrorLock(app.name))
    }
}
