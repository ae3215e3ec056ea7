import ArtifactKit
import GitKit
import Glibc

/// What may go: old releases, artifacts, logs and keep-refs; never what is live, was live before, or may be needed next.
struct Retention: Sendable {
    let installation: Installation

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

    /// Takes away what an environment does not keep, in each of its targets; trouble is reported and stops nothing.
    ///
    /// Under the target's lock, so that what is kept is decided and done in one go; a deployment that holds it prunes
    /// afterwards too. One that can become the spare release is taken for that, the others lie in the target's trash.
    func prune(_ app: App, _ environment: EnvironmentPolicy, say: (String) -> Void) throws {
        for path in installation.home.stores(app.name, environment)
        where FileSystem.exists("\(path)/.shipit/lock") {
            guard let lock = try TargetLock(taking: path) else { continue }
            defer { withExtendedLifetime(lock) {} }
            let root = try Directory(path: path)
            for name in try surplus(app, environment, in: root, path) {
                try Failpoint.retentionBeforeRemove.reach()
                do {
                    if environment.spare, try SparePreparation.take(name, in: root, path, shared: environment.shared) {
                        continue
                    }
                    try Target.discardRelease(name, in: root)
                } catch {
                    say("\(path)/releases/\(name) could not be removed: \(error)")
                }
            }
            // The preparation removes it, unless it is cut short again and again.
            let own = try root.open(Array(".shipit".utf8))
            guard try Trash.count(in: own) > Trash.most else { continue }
            do {
                try Trash.empty(in: own)
            } catch {
                say("\(path)/.shipit: something could not be removed: \(error)")
            }
        }
    }

    /// The releases of a target that its environment does not keep.
    func surplus(_ app: App, _ environment: EnvironmentPolicy, in root: Directory, _ path: String) throws -> [String] {
        let ledger = installation.ledger
        var kept = Set(try ledger.keptDeployments(app: app.name, environment).compactMap(\.release))
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
}
