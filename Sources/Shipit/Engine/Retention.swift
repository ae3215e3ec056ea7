import ArtifactKit
import GitKit
import Glibc

/// What may go: old releases, artifacts, logs and keep-refs; never what is live, was live before, or may be needed next.
struct Retention: Sendable {
    let installation: Installation

    /// How many artifacts an app keeps that no release and no open run needs.
    static let spareArtifacts = 10
    /// How many runs keep their logs.
    static let runsWithLogs = 500

    /// Releases of an environment that stay: the live one, the one before it, and the newest `keep` that worked.
    static func kept(_ state: EnvironmentState, _ deployments: [Deployment], keep: Int) -> Set<Int> {
        var kept: Set<Int> = []
        if let live = state.live?.release { kept.insert(live) }
        if let previous = state.previous?.release { kept.insert(previous) }
        let pinned = kept
        var good: [Int] = []
        for deployment in deployments where deployment.status == .succeeded {
            guard let release = deployment.release, !pinned.contains(release), !good.contains(release) else { continue }
            good.append(release)
        }
        kept.formUnion(good.prefix(keep))
        // A deployment that runs now, or will be taken up again, owns its release.
        for deployment in deployments where !deployment.status.isFinal {
            if let release = deployment.release { kept.insert(release) }
        }
        return kept
    }

    /// Removes what an environment does not keep, in each of its targets; trouble is reported and stops nothing.
    ///
    /// `savesSpares`: one that can become the spare release is taken for that.
    func prune(
        _ app: App, _ environment: EnvironmentPolicy, savesSpares: Bool = false, say: (String) -> Void
    ) throws -> [String] {
        var removed: [String] = []
        for path in environment.targets where FileSystem.isFolder(path) {
            let root = try Directory(path: path)
            for name in try surplus(app, environment, in: root, path) {
                try Failpoint.retentionBeforeRemove.reach()
                do {
                    if savesSpares, environment.spare,
                        try SparePreparation.take(name, in: root, path, shared: environment.shared)
                    {
                        continue
                    }
                    try Target.removeRelease(name, in: root)
                    removed.append("\(path)/releases/\(name)")
                } catch {
                    say("\(path)/releases/\(name) could not be removed: \(error)")
                }
            }
        }
        return removed
    }

    /// The releases of a target that its environment does not keep.
    func surplus(_ app: App, _ environment: EnvironmentPolicy, in root: Directory, _ path: String) throws -> [String] {
        let ledger = installation.ledger
        let state = try ledger.environment(app.name, environment.name)
        var kept = Self.kept(
            state, try ledger.deployments(app: app.name, environment: environment.name), keep: environment.keep)
        // A rollback that has not begun goes back to a release that must still be there.
        for job in try ledger.openRuns(app: app.name).flatMap(\.jobs) where !job.status.isFinal {
            if let release = try job.backTo.flatMap({ try ledger.deployment($0) })?.release { kept.insert(release) }
        }
        let live = try Target.live(in: root, path)
        return FileSystem.names(in: "\(path)/releases").filter { name in
            // What shipit did not name is not shipit's to remove.
            guard let number = ReleaseName.number(name) else { return false }
            return !kept.contains(number) && name != live
        }
    }

    /// Artifacts that a release which stays was made of, or that an open run will deploy.
    func neededArtifacts(of app: App) throws -> Set<Int64> {
        let ledger = installation.ledger
        var needed: Set<Int64> = []
        for environment in app.pipeline.environments {
            let state = try ledger.environment(app.name, environment.name)
            let deployments = try ledger.deployments(app: app.name, environment: environment.name)
            let kept = Self.kept(state, deployments, keep: environment.keep)
            for deployment in deployments where deployment.release.map(kept.contains) ?? true {
                needed.insert(deployment.artifact)
            }
        }
        for open in try ledger.openRuns(app: app.name) { needed.formUnion(open.jobs.compactMap(\.artifact)) }
        return needed
    }

    /// Artifacts that may go: beyond the newest of those that nothing needs.
    ///
    /// The ledger remembers what was deployed, so some that it names were let go long ago.
    func unneededArtifacts(of app: App) throws -> [Artifact] {
        let needed = try neededArtifacts(of: app)
        let deployed = try installation.ledger.deployedArtifacts(of: app.name)
        let spare = try installation.ledger.artifacts(app: app.name).filter { artifact in
            let isThere = FileSystem.exists(installation.home.artifact(app.name, artifact.file))
            return !needed.contains(artifact.id) && (isThere || !deployed.contains(artifact.id))
        }
        return Array(spare.dropFirst(Self.spareArtifacts))
    }

    /// Removes unneeded artifacts and old logs; gives what was removed, as paths.
    func collect(_ app: App) throws -> [String] {
        var removed: [String] = []
        let store = try ArtifactStore(installation.home.artifacts(app.name))
        for artifact in try unneededArtifacts(of: app) {
            store.remove(artifact.file)
            try installation.ledger.forget(artifact)
            removed.append(store.path(artifact.file))
        }
        for name in try unknownFiles(of: app, in: store) {
            unlink("\(store.folder)/\(name)")
            removed.append(store.path(name))
        }
        return removed
    }

    /// Files among the artifacts that the ledger does not know; none while a build may be making one.
    func unknownFiles(of app: App, in store: ArtifactStore) throws -> [String] {
        let isBuilding = try installation.ledger.openJobs().contains { $0.job.app == app.name && $0.job.kind == .build }
        guard !isBuilding else { return [] }
        let known = Set(try installation.ledger.artifacts(app: app.name).flatMap { ArtifactStore.files(of: $0.file) })
        return FileSystem.names(in: store.folder).filter { name in
            !known.contains(name)
        }
    }

    /// Folders of logs of runs that are long over.
    func oldLogs() throws -> [String] {
        let recent = try installation.ledger.runs(app: nil, limit: Self.runsWithLogs).map(\.run.id)
        let open = try installation.ledger.openRuns().map(\.run.id)
        let kept = Set((recent + open).map(String.init))
        let folder = "\(installation.home.path)/runs"
        return FileSystem.names(in: folder).filter { Int64($0) != nil && !kept.contains($0) }.map { "\(folder)/\($0)" }
    }
}
