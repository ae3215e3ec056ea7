import ArtifactKit
import FoundationEssentials
import Glibc

/// What the hook scripts of a deployment made of its release, noted beside the manifest once the deployment has ended.
///
/// What differs from the manifest and changed while the deployment ran is theirs; what changes later was somebody else's.
/// Without the note the manifest alone tells.
struct ScriptEdits {
    let home: Home
    let app: String
    let environment: EnvironmentPolicy

    static let suffix = ".edits"
    private static let largest = 4 << 20

    static func name(_ release: String) -> [UInt8] { Array("manifests/\(release)\(suffix)".utf8) }

    /// `own`: the target's own folder.
    static func of(_ release: String, in own: Directory) throws -> TreeEdits? {
        guard try own.metadata(name(release)) != nil else { return nil }
        let bytes = try own.readFile(name(release), limit: largest)
        // A damaged one is as good as none.
        return try? JSONDecoder().decode(TreeEdits.self, from: Data(bytes))
    }

    /// Notes them in each target for the release that is live now; what cannot be noted is told.
    func note(of deployment: Deployment, say: (String) -> Void) {
        guard let end = deployment.endedAt else { return }
        // The clock of the file system goes in ticks.
        let span =
            (deployment.createdAt.milliseconds - 20) * 1_000_000...max(
                deployment.createdAt.milliseconds, end.milliseconds) * 1_000_000 + 999_999
        for (path, place) in zip(home.stores(app, environment), environment.targets)
        where FileSystem.exists("\(path)/.shipit/lock") {
            do {
                try note(in: path, place, span)
            } catch {
                say("what hook scripts edited in \(path) is not noted: \(error)")
            }
        }
    }

    private func note(in path: String, _ place: String, _ span: ClosedRange<Int64>) throws {
        guard let lock = try TargetLock(taking: path) else { return }
        defer { withExtendedLifetime(lock) {} }
        let root = try Directory(path: path)
        guard let live = try Target.live(in: root, path), hasScripts(live, path) else { return }
        let own = try root.open(Array(".shipit".utf8))
        let former = try Self.of(live, in: own)
        let edits =
            environment.layout == .inPlace
            ? try installed(live, in: root, at: place, span, former) : try released(live, in: root, own, span, former)
        guard let edits, edits != former, !edits.isEmpty || former != nil else { return }
        let bytes = Array(try JSONEncoder().encode(edits))
        guard bytes.count <= Self.largest else { return }
        try own.writeAtomically(Self.name(live), bytes)
    }

    /// Of files among those of others: what is reached through a link there is left to the manifest.
    private func installed(
        _ live: String, in store: Directory, at place: String, _ span: ClosedRange<Int64>, _ former: TreeEdits?
    ) throws -> TreeEdits? {
        let check = try InstalledCheck(live, of: environment, in: store, at: place)
        let tree = try Directory(realPath: place)
        let entries = try check.differences.compactMap { difference in
            try InstalledCheck.isPlain(difference, in: tree) ? difference.entry : nil
        }
        return try TreeEdits(of: tree, entries, between: span, after: former)
    }

    private func released(
        _ live: String, in root: Directory, _ own: Directory, _ span: ClosedRange<Int64>, _ former: TreeEdits?
    ) throws -> TreeEdits? {
        guard let knowledge = try Drift.knowledge(of: live, in: own, root.path) else { return nil }
        return try TreeEdits(
            of: try root.open(Array("releases/\(live)".utf8)),
            try ManifestFile(in: own, Array("manifests/\(live).manifest".utf8)), knowledge, between: span,
            after: former, leavingOut: SharedLinks.cover(environment.shared),
            expecting: SharedLinks.expected(environment.shared))
    }

    private func hasScripts(_ release: String, _ path: String) -> Bool {
        let bundle = "\(path)/.shipit/bundles/\(release)"
        let place = FileSystem.isFolder(bundle) ? bundle : "\(path)/releases/\(release)"
        // One that cannot be read may have some.
        let appspec = try? ReleaseFolder.appspec(in: place) { _ in }
        return appspec?.hooks.isEmpty != true
            || (LifecycleEvent.ofDeployment + LifecycleEvent.ofShipit).contains {
                FileSystem.exists(home.hook(app, $0))
            }
    }
}
