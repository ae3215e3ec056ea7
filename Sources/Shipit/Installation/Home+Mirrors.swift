import ArtifactKit

extension Home {
    /// Copies of repositories elsewhere.
    public var mirrors: String { "\(path)/mirrors" }
    public func mirror(_ app: String) -> String { "\(mirrors)/\(app).git" }
    /// Held by whoever fetches.
    func mirrorLock(_ app: String) -> String { "\(mirrors)/\(app).lock" }

    func prepareMirrors() throws { _ = try Directory(creating: mirrors, mode: 0o700) }
}
