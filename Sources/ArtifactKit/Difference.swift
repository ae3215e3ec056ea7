/// What happened to one path between two manifests.
public enum Difference: Hashable, Sendable {
    case added(ManifestEntry)
    case changed(from: ManifestEntry, to: ManifestEntry)
    case removed(ManifestEntry)

    public var path: [UInt8] {
        switch self {
        case .added(let entry), .changed(_, let entry), .removed(let entry): entry.path
        }
    }
}
