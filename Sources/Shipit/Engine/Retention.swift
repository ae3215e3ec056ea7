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
    func prune(_ app: App, _ environment: EnvironmentPolicy, say: (String) -> Void) throws -> [String] {
        let state = try installation.ledger.environment(app.name, environment.name)
        let deployments = try installation.ledger.deployments(app: app.name, environment: environment.name)
        let kept = Self.kept(state, deployments, keep: environment.keep)
        var removed: [String] = []
        for path in environment.targets where FileSystem.isFolder(path) {
            let root = try Directory(path: path)
            let live = try Target.live(in: root, path)
            for name in FileSystem.names(in: "\(path)/releases") {
                // What shipit did not name is not shipit's to remove.
                guard let number = ReleaseName.number(name), !kept.contains(number), name != live else { continue }
                try Failpoint.retentionBeforeRemove.reach()
                do {
                    try Target.removeRelease(name, in: root)
                    removed.append("\(path)/releases/\(name)")
                } catch {
                    say("\(path)/releases/\(name) could not be removed: \(error)")
                }
            }
        }
        return removed
    }

    /// Artifacts that no release, no open run and no recent run needs.
    func unneededArtifacts(of app: App) throws -> [Artifact] {
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
        let spare = try ledger.artifacts(app: app.name).filter { !needed.contains($0.id) }
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
        let known = Set(try installation.ledger.artifacts(app: app.name).map(\.file))
        let open = try !installation.ledger.openRuns(app: app.name).isEmpty
        for name in FileSystem.names(in: store.folder) where !open && !known.contains(name) {
            if name.hasSuffix(".json"), known.contains("\(name.dropLast(".json".count)).tar.zst") { continue }
            unlink("\(store.folder)/\(name)")
            removed.append(store.path(name))
        }
        return removed
    }

    /// Folders of logs of runs that are long over.
    func collectLogs() throws -> [String] {
        let recent = Set(try installation.ledger.runs(app: nil, limit: Self.runsWithLogs).map { "\($0.run.id)" })
        let folder = "\(installation.home.path)/runs"
        var removed: [String] = []
        for name in FileSystem.names(in: folder) where Int64(name) != nil && !recent.contains(name) {
            try Directory(path: folder).removeTree(Array(name.utf8))
            removed.append("\(folder)/\(name)")
        }
        return removed
    }
}
