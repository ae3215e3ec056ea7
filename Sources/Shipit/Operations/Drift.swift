import ArtifactKit
import CLinux
import Glibc

/// Whether what is live in a target was changed by hand, at a glance; `shipit verify` looks thoroughly.
public struct Drift: Hashable, Sendable {
    public private(set) var edited: Int
    public private(set) var missing: Int
    public let extra: Int
    /// There was no time for all of it.
    var isPartial = false

    public var isThere: Bool { edited > 0 || missing > 0 }

    /// `2 edited by hand, 1 missing`.
    public var words: String {
        (isPartial ? "at least " : "")
            + [(edited, "edited by hand"), (missing, "missing")].filter { $0.0 > 0 }.map { "\($0) \($1)" }
            .joined(separator: ", ")
    }

    /// Nil when nothing is live there, or it was not looked at: it is too large, in place, or cannot be read in time.
    ///
    /// `release`: another one than what is live. `deadline`: of all targets that are looked at together.
    public static func of(
        _ environment: EnvironmentPolicy, at store: String, release: String? = nil, most: Int = 20_000,
        until deadline: ContinuousClock.Instant
    ) -> Drift? {
        guard environment.layout == .releases else { return nil }
        // Status must say what it knows, whatever state a target is in.
        return try? look(environment, store, release, most, deadline)
    }

    private static func look(
        _ environment: EnvironmentPolicy, _ store: String, _ release: String?, _ most: Int,
        _ deadline: ContinuousClock.Instant
    ) throws -> Drift? {
        guard FileSystem.isFolder("\(store)/.shipit") else { return nil }
        let root = try Directory(path: store)
        guard let live = try release ?? Target.live(in: root, store) else { return nil }
        let own = try root.open(Array(".shipit".utf8))
        guard let tree = try? root.open(Array("releases/\(live)".utf8)) else {
            return Drift(edited: 0, missing: 1, extra: 0)  // the whole release is
        }
        let name = Array("manifests/\(live).manifest".utf8)
        guard let knowledge = try knowledge(of: live, in: own, store) else { return nil }
        let found = try TreeDrift(
            of: tree, try ManifestFile(in: own, name), knowledge, since: try ScriptEdits.of(live, in: own), most: most,
            until: deadline, leavingOut: SharedLinks.cover(environment.shared),
            expecting: SharedLinks.expected(environment.shared))
        guard let found else { return nil }
        var drift = Drift(
            edited: found.edited, missing: found.missing, extra: found.extra, isPartial: found.isPartial)
        for (_, isGone) in try SharedLinks.wrong(environment.shared, in: tree, root, store) {
            if isGone { drift.missing += 1 } else { drift.edited += 1 }
        }
        return drift
    }

    /// What is known of a release since it was made.
    static func knowledge(of release: String, in own: Directory, _ store: String) throws -> TreeDrift.Knowledge? {
        if let index = try TreeIndex(reading: Array("indexes/\(release)".utf8), in: own) { return .index(index) }
        // A release that an appspec mapped has none; its manifest was written when it was complete.
        guard let status = FileSystem.linkStatus("\(store)/.shipit/manifests/\(release).manifest") else { return nil }
        return .completeAt(Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec))
    }
}
