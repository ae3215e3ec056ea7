import ArtifactKit
import Glibc

/// What goes from shipit's own home.
extension Retention {
    /// What goes at once, and after each job: so many of a kind at most, so that nobody waits long for the ledger.
    ///
    /// A hundred runs hold it for some tenths of a second when their rows have to be read from the disk.
    static let most = 100

    /// Lets artifacts, logs and runs go that exceed the app's limits; gives the paths that were removed.
    @discardableResult
    func collect(_ app: App) throws -> [String] {
        let artifacts = try forgetArtifacts(app, most: Self.most)
        return try artifacts + forgetLogs(app, most: Self.most) + forgetRuns(app, most: Self.most).map(home.run)
    }

    func forgetArtifacts(_ app: App, most: Int) throws -> [String] {
        let store = try ArtifactStore(home.artifacts(app.name))
        return try ledger.forgetArtifacts(of: app.pipeline, most: most) { store.remove($0.file) }
            .map { store.path($0.file) }
    }

    func forgetLogs(_ app: App, most: Int) throws -> [String] {
        if app.pipeline.retention.logs.size != nil { try countLogs(app, most: Self.most) }
        return try ledger.forgetLogs(of: app.pipeline, most: most, deed: removeLogs).map(home.run)
    }

    func forgetRuns(_ app: App, most: Int) throws -> [Int64] {
        try ledger.forgetRuns(of: app.pipeline, most: most, deed: removeLogs)
    }

    /// Notes how large the logs of runs are that ended since; true when there may be more of them.
    @discardableResult
    func countLogs(_ app: App, most: Int) throws -> Bool {
        let runs = try ledger.uncountedLogs(app: app.name, most: most)
        try ledger.countLogs(
            runs.map { run in
                let bytes = DiskUsage.of(home.run(run))
                return (run, bytes == 0 ? nil : bytes)
            })
        return runs.count == most
    }

    private func removeLogs(_ run: Int64) { Workspaces.remove(home.run(run)) }

    // MARK: What the ledger does not know

    /// Files among the artifacts that the ledger does not know; none while a job may be making one.
    func unknownFiles(of app: App, in store: ArtifactStore) throws -> [String] {
        let isPacking = try ledger.openJobs().contains {
            $0.job.app == app.name && ($0.job.kind == .build || $0.job.status == .running)
        }
        guard !isPacking else { return [] }
        let known = Set(try ledger.artifacts(app: app.name).flatMap { ArtifactStore.files(of: $0.file) })
        return FileSystem.names(in: store.folder).filter { !known.contains(ArtifactStore.primary(of: $0)) }
    }

    /// Removes what a build left that died between its tarball's name and the ledger.
    func sweep(_ app: App) throws {
        let store = try ArtifactStore(home.artifacts(app.name))
        for name in try unknownFiles(of: app, in: store) { unlink(store.path(name)) }
    }

    /// Numbers of runs with a folder of logs, whatever the ledger says.
    func runsOnDisk() -> [Int64] { FileSystem.names(in: "\(home.path)/runs").compactMap { Int64($0) } }

    private var home: Home { installation.home }
    private var ledger: Ledger { installation.ledger }
}
