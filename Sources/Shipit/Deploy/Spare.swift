import ArtifactKit

/// A whole release that was prepared ahead in `.shipit/spare`, to be patched into the next one.
///
/// Nobody but shipit can come there: the folder is closed. It holds `tree`, and the manifest and the index of that.
struct Spare {
    static let name = Array("spare".utf8)
    static let tree = Array("tree".utf8)
    static let manifest = Array("manifest".utf8)
    static let index = Array("index".utf8)
    static let newIndex = Array("index.new".utf8)

    let manifest: ManifestFile
    let index: TreeIndex
    private let tree: Directory
    private let header: TreeIndex.Header

    /// Nil when there is none, or a part of it is missing or damaged.
    init?(in own: Directory) throws {
        guard try own.metadata(Self.name)?.kind == .directory else { return nil }
        let folder = try own.open(Self.name)
        // Whatever is wrong with it, it is of no use.
        guard let manifest = try? ManifestFile(in: folder, Self.manifest),
            let index = try TreeIndex(reading: Self.index, in: folder), let header = index.header,
            header.manifest == manifest.digest, try folder.metadata(Self.tree)?.kind == .directory
        else { return nil }
        self.manifest = manifest
        self.index = index
        self.header = header
        tree = try folder.open(Self.tree)
    }

    /// Why it cannot become a release of this kind; nil when it can.
    func obstacle(to kind: SpareKind, _ wanted: ManifestFile, _ links: SharedLinks) throws -> String? {
        guard isOf(kind) else { return "owner or shared paths are others now" }
        guard try links.areMade(in: tree, wanted) else { return "a shared path is to be made anew" }
        return try TreeCheck(manifest, index).difference(in: tree)
    }

    /// What was prepared, and what was being prepared; the caller holds the target's lock.
    static func discard(in own: Directory) throws {
        for name in [name, SparePreparation.preparing] where try own.metadata(name) != nil {
            try Trash.discard(name, in: own)
        }
    }

    func isOf(_ kind: SpareKind) -> Bool { header.condition == kind.digest }
}
