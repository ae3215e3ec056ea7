import ArtifactKit

/// Whether what is live in a target was changed by hand, at a glance; `shipit verify` looks thoroughly.
public struct Drift: Hashable, Sendable {
    public let edited: Int
    public let missing: Int
    public let extra: Int

    public var isThere: Bool { edited > 0 || missing > 0 }

    private static let most = 20_000
    private static let time: Duration = .milliseconds(40)

    /// Nil when nothing is live there, or it was not looked at: it is too large, has no index, or cannot be read.
    public static func of(_ environment: EnvironmentPolicy, at store: String) -> Drift? {
        // Status must say what it knows, whatever state a target is in.
        guard environment.layout == .releases, let found = try? look(environment, store) else { return nil }
        return Drift(edited: found.edited, missing: found.missing, extra: found.extra)
    }

    private static func look(_ environment: EnvironmentPolicy, _ store: String) throws -> TreeDrift? {
        guard FileSystem.isFolder("\(store)/.shipit") else { return nil }
        let root = try Directory(path: store)
        guard let live = try Target.live(in: root, store) else { return nil }
        let own = try root.open(Array(".shipit".utf8))
        guard let index = try TreeIndex(reading: Array("indexes/\(live)".utf8), in: own) else { return nil }
        return try TreeDrift(
            of: try root.open(Array("releases/\(live)".utf8)),
            try ManifestFile(in: own, Array("manifests/\(live).manifest".utf8)), index, most: most, within: time,
            leavingOut: SharedLinks.cover(environment.shared), expecting: SharedLinks.expected(environment.shared))
    }
}
