import ArtifactKit

/// What a target's `current` names, as the target itself says.
public struct LiveRelease: Hashable, Sendable {
    public let number: Int
    /// Abbreviated.
    public let revision: String

    /// Nil when nothing is live there, or when the target cannot be read.
    public init?(at path: String) {
        guard let name = try? Target.live(in: try Directory(path: path), path), let number = ReleaseName.number(name)
        else { return nil }  // fsck says why; a list only leaves it out
        self.number = number
        revision = String(name.drop { $0 != "-" }.dropFirst())
    }
}
