import ArtifactKit
import CLinux
import Glibc

/// Prepares the next release of a target ahead, off everybody's way: a release that was let go is brought up to what is
/// live, and where there is none a copy is made.
struct SparePreparation: Sendable {
    static let preparing = Array("preparing".utf8)
    /// What was live until a moment ago may still be read by somebody who cannot be seen.
    private static let rest: Int64 = 60
    /// What a copy leaves free at least, besides its own size.
    private static let margin: Int64 = 64 << 20

    let path: String
    /// The release that is live in the environment.
    let live: String
    let shared: [SharedPath]
    let source: DeploymentPlan.Source
    let say: @Sendable (String) -> Void

    /// Throws what `check` throws, as soon as it does; what was begun is gone on with the next time.
    func run(check: @escaping @Sendable () throws -> Void) throws {
        guard let lock = try TargetLock(taking: path) else { return }
        defer { withExtendedLifetime(lock) {} }
        let root = try Directory(path: path)
        let own = try root.open(Array(".shipit".utf8))
        try Trash.empty(in: own, check: check)
        let kind = SpareKind(owner: try root.status(), shared: shared)
        if try own.metadata(Spare.name) != nil {
            if let spare = try Spare(in: own), spare.isOf(kind) { return }
            try Trash.discard(Spare.name, in: own)
        }
        guard try Target.live(in: root, path) == live, try own.metadata(Array("bundles/\(live)".utf8)) == nil,
            let manifest = try? ManifestFile(in: own, Array("manifests/\(live).manifest".utf8)),  // none: nothing to do
            case .tarball(let tarball, let description, _) = source
        else { return }
        // None or a damaged one: the next deployment says so, if it needs the tarball.
        guard let frames = try? ArtifactDescription.read(description)?.frames else { return }
        let content = try TarballContent(at: tarball, manifest: manifest, frames: frames)
        do {
            if try !recycle(own, kind, manifest, content, check) {
                guard try own.freeSpace() > manifest.totalSize + Self.margin else {
                    return say("\(path) has no room for a spare release")
                }
                let links = SharedLinks(root: root, path: path, paths: shared, say: { _ in })
                try copy(own, kind, manifest, content, links, check)
            }
        } catch let error where !(error is CancellationError) {
            // Not to be met again the next time; that it is gone is tidied up then, too.
            if try own.metadata(Self.preparing) != nil { try Trash.discard(Self.preparing, in: own) }
            throw error
        }
        try check()
        try own.syncFileSystem()
        try Failpoint.spareBeforeRename.reach()
        try own.rename(Self.preparing, to: Spare.name)
        try own.sync()
        try Trash.empty(in: own, check: check)
    }

    /// Whether something in a target's own folder was begun and not ended, or waits to be removed.
    static func isUnfinished(_ path: String) -> Bool {
        FileSystem.names(in: "\(path)/.shipit").contains {
            $0.utf8.elementsEqual(preparing) || $0.hasPrefix(Trash.prefix)
        }
    }

    /// Removes what is of no use any more, the spare too unless one is `kept`.
    static func tidy(_ path: String, kept: Bool, check: () throws -> Void) throws {
        guard FileSystem.isFolder("\(path)/.shipit"), let lock = try TargetLock(taking: path) else { return }
        defer { withExtendedLifetime(lock) {} }
        let own = try Directory(path: "\(path)/.shipit")
        if !kept { try Spare.discard(in: own) }
        try Trash.empty(in: own, check: check)
    }

    // MARK: A release that was let go

    /// Takes a release out of its place, for `run` to make the spare one of if nobody holds on to it; false when it stays.
    ///
    /// The caller holds the target's lock. `occupant`: who holds on to a folder that was at the other path before, if
    /// anybody does.
    static func take(
        _ release: String, in root: Directory, _ path: String, shared: [SharedPath],
        occupant: (_ folder: String, _ former: String) -> String? = Occupants.first
    ) throws -> Bool {
        let own = try root.open(Array(".shipit".utf8))
        let index = Array("indexes/\(release)".utf8), manifest = Array("manifests/\(release).manifest".utf8)
        let kind = SpareKind(owner: try root.status(), shared: shared)
        guard try own.metadata(Spare.name) == nil, try own.metadata(preparing) == nil,
            try own.metadata(Array("bundles/\(release)".utf8)) == nil, try own.metadata(manifest) != nil,
            try TreeIndex(reading: index, in: own)?.header?.condition == kind.digest
        else { return false }
        let until = linux_modified_seconds("\(path)/.shipit/indexes/\(release)")
        guard Timestamp.now.milliseconds / 1000 - until > rest else { return false }
        let former = "\(path)/releases/\(release)", place = "\(path)/.shipit/preparing/tree"
        let realFormer = FileSystem.realPath(former) ?? former
        try own.makeDirectory(preparing, mode: 0o700)
        let folder = try own.open(preparing)
        try root.rename(Array("releases/\(release)".utf8), to: Spare.tree, in: folder)
        try own.rename(manifest, to: Spare.manifest, in: folder)
        if try own.metadata(ScriptEdits.name(release)) != nil { try own.remove(ScriptEdits.name(release)) }
        // Now that nobody can come to it any more, whoever is there already can be seen.
        if occupant(FileSystem.realPath(place) ?? place, realFormer) != nil {
            try Trash.discard(preparing, in: own)
            try own.remove(index)
        } else {
            // Last, since without it what is in the folder is never used.
            try own.rename(index, to: Spare.index, in: folder)
        }
        return true
    }

    private func recycle(
        _ own: Directory, _ kind: SpareKind, _ manifest: ManifestFile, _ content: TarballContent,
        _ check: @escaping @Sendable () throws -> Void
    ) throws -> Bool {
        guard try own.metadata(Self.preparing) != nil else { return false }
        let folder = try own.open(Self.preparing)
        let isLeftOut = SharedLinks.cover(shared)
        guard let former = try? ManifestFile(in: folder, Spare.manifest),  // damaged: of no use
            let index = try TreeIndex(reading: Spare.index, in: folder),
            index.header?.condition == kind.digest, try folder.metadata(Spare.tree)?.kind == .directory,
            let repair = TreeRepair(
                try folder.open(Spare.tree), former, index, owner: kind.holder, leavingOut: isLeftOut)
        else {
            try Trash.discard(Self.preparing, in: own)
            return false
        }
        let damage = try repair.run(
            expecting: SharedLinks.expected(shared), folders: SharedLinks.folders(shared), check: check)
        if try folder.metadata(Spare.newIndex) != nil { try folder.remove(Spare.newIndex) }
        let tree = try folder.open(Spare.tree)
        let patch = TreePatch(
            tree, from: TreePatch.Base(former, index, damage: damage), to: manifest, owner: kind.owner,
            index: try TreeIndex(creating: Spare.newIndex, in: folder), leavingOut: isLeftOut)
        try patch.apply(content, check: check)
        try finish(folder, patch, kind, manifest)
        return true
    }

    // MARK: A copy

    private func copy(
        _ own: Directory, _ kind: SpareKind, _ manifest: ManifestFile, _ content: TarballContent, _ links: SharedLinks,
        _ check: @escaping @Sendable () throws -> Void
    ) throws {
        try own.makeDirectory(Self.preparing, mode: 0o700)
        let folder = try own.open(Self.preparing)
        try folder.makeDirectory(Spare.tree, mode: 0o755)
        let tree = try folder.open(Spare.tree)
        let patch = TreePatch(
            tree, from: nil, to: manifest, owner: kind.owner,
            index: try TreeIndex(creating: Spare.newIndex, in: folder), leavingOut: SharedLinks.cover(shared))
        do {
            try patch.apply(content, check: check)
        } catch {
            try Trash.discard(Self.preparing, in: own)
            throw error
        }
        try links.make(in: tree, owner: kind.owner)
        try kind.give(tree)
        try finish(folder, patch, kind, manifest)
    }

    private func finish(_ folder: Directory, _ patch: TreePatch, _ kind: SpareKind, _ manifest: ManifestFile) throws {
        try patch.finishIndex(kind.digest, leavingOut: SharedLinks.cover(shared))
        let new = Array("manifest.new".utf8)
        if try folder.metadata(new) != nil { try folder.remove(new) }
        try manifest.copy(to: try folder.createFile(new))
        try folder.rename(new, to: Spare.manifest)
        try folder.rename(Spare.newIndex, to: Spare.index)
    }
}
