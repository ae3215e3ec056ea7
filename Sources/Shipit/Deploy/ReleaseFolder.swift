import ArtifactKit
import GitKit
import Glibc

/// Makes a release's folder, aside, and gives it its name when it is complete.
///
/// A spare release is patched where there is one; else the folder is filled. Whoever makes it live syncs the file system
/// first: one wait for all targets there instead of one a file.
struct ReleaseFolder {
    let target: Target
    let plan: DeploymentPlan
    let say: (String) -> Void
    /// Of the appspec, before anything of it is done.
    let check: (Appspec) throws -> Void

    /// A complete tree in `.shipit/incoming/tree`, and what its index is made of.
    private struct Filling {
        let tree: Directory
        let patch: TreePatch
    }

    private static let incoming = Array("incoming".utf8)

    /// The appspec of the release, which has to be known before anything is touched.
    func prepare() async throws -> Appspec {
        guard let place = plan.artifact else {
            guard try target.hasRelease(plan.release) else {
                throw ShipitError(.failure, "the release \(plan.release) is gone from \(target.path)")
            }
            return try Self.appspec(in: try target.bundle(of: plan.release), say).naming(plan.accounts)
        }
        try removeLeftovers()
        let content = try ReleaseContent(plan, place)
        let filling = try patchSpare(content) ?? fill(content)
        let appspec = try Self.appspec(in: "\(target.path)/.shipit/incoming/tree", say).naming(plan.accounts)
        try check(appspec)
        if appspec.mapsEverything || plan.layout == .inPlace {
            try finish(filling, content.manifest)
        } else {
            try finishMapped(try await map(appspec, try content.manifest.load()))
        }
        try target.own.removeTree(Self.incoming)
        try Failpoint.deployPrepared.reach()
        return appspec
    }

    // MARK: Filling

    private var spareKind: SpareKind {
        get throws { SpareKind(owner: try target.root.status(), shared: plan.shared) }
    }

    private var links: SharedLinks { SharedLinks(root: target.root, path: target.path, paths: plan.shared, say: say) }

    private func patchSpare(_ content: ReleaseContent) throws -> Filling? {
        let kind = try spareKind
        guard plan.usesSpare, let spare = try Spare(in: target.own) else { return nil }
        let reason: String?
        do {
            reason = try spare.obstacle(to: kind, content.manifest, links)
        } catch {
            reason = "\(error)"
        }
        if let reason {
            say("the spare release is not used: \(reason)")
            try Trash.discard(Spare.name, in: target.own)
            return nil
        }
        try target.own.rename(Spare.name, to: Self.incoming)
        do {
            let filling = try patch(
                try target.own.open(Self.incoming), from: TreePatch.Base(spare.manifest, spare.index), content, kind)
            say("patched the spare release: \(filling.patch.made) files made anew of \(content.manifest.entryCount)")
            for shared in plan.shared where try content.manifest.entry(at: Array(shared.path.utf8)) != nil {
                say(SharedLinks.isReplaced(shared))
            }
            return filling
        } catch let error as ArtifactError where error.code != .noSpace {
            // What it was made of may be damaged; what the whole is made of is looked at below.
            say("the spare release could not be patched: \(error)")
            try Trash.discard(Self.incoming, in: target.own)
            return nil
        }
    }

    private func fill(_ content: ReleaseContent) throws -> Filling {
        try content.verify()
        try makeSpace(content.manifest.totalSize)
        try target.own.makeDirectory(Self.incoming, mode: 0o700)
        let folder = try target.own.open(Self.incoming)
        try folder.makeDirectory(Spare.tree, mode: 0o755)
        return try patch(folder, from: nil, content, try spareKind)
    }

    private func patch(
        _ folder: Directory, from base: TreePatch.Base?, _ content: ReleaseContent, _ kind: SpareKind
    ) throws -> Filling {
        let tree = try folder.open(Spare.tree)
        let index = try TreeIndex(creating: Spare.newIndex, in: folder)
        // A release that is filled anew has what is below shared paths, since an empty one begins with it.
        let isLeftOut = SharedLinks.cover(base == nil ? [] : plan.shared)
        let patch = TreePatch(
            tree, from: base, to: content.manifest, owner: kind.owner, index: index, leavingOut: isLeftOut)
        try patch.apply(content.files)
        return Filling(tree: tree, patch: patch)
    }

    /// Links, owner, index, name: in this order, so that what has the name is complete.
    private func finish(_ filling: Filling, _ manifest: ManifestFile) throws {
        let kind = try spareKind
        try links.make(in: filling.tree, owner: kind.owner)
        try kind.give(filling.tree)
        let name = plan.release
        try filling.patch.finishIndex(kind.digest, leavingOut: SharedLinks.cover(plan.shared))
        try target.own.rename(Self.incoming + [0x2F] + Spare.newIndex, to: Array("indexes/\(name)".utf8))
        try manifest.copy(to: try target.own.createFile(Array("manifests/\(name).manifest".utf8)))
        try target.root.rename(Array(".shipit/incoming/tree".utf8), to: Array("releases/\(name)".utf8))
    }

    private func finishMapped(_ manifest: Manifest) throws {
        let kind = try spareKind
        try links.make(in: try target.own.open(Array("mapped".utf8)), owner: kind.owner)
        let writer = ManifestWriter(try target.own.createFile(Array("manifests/\(plan.release).manifest".utf8)))
        for entry in manifest.entries { try writer.add(entry) }
        _ = try writer.finish()
        try target.root.rename(Array(".shipit/mapped".utf8), to: Array("releases/\(plan.release)".utf8))
        try target.own.rename(Array("incoming/tree".utf8), to: Array("bundles/\(plan.release)".utf8))
    }

    /// What the appspec maps, below a second folder, with the permissions that it gives.
    private func map(_ appspec: Appspec, _ manifest: Manifest) async throws -> Manifest {
        try target.own.makeDirectory(Array("mapped".utf8), mode: 0o755)
        try spareKind.give(try target.own.open(Array("mapped".utf8)))
        let mapping = try ReleaseMapping(
            appspec, manifest, from: "\(target.own.path)/incoming/tree", to: "\(target.own.path)/mapped")
        mapping.remarks.forEach { say("warning: \($0)") }
        try await mapping.fill(owner: try spareKind.owner, state: target.own)
        return mapping.manifest
    }

    /// What a crashed attempt left: nobody can have seen it.
    private func removeLeftovers() throws {
        for name in ["incoming", "mapped"] where try target.own.metadata(Array(name.utf8)) != nil {
            try Trash.discard(Array(name.utf8), in: target.own)
        }
        if try target.hasRelease(plan.release) {
            guard try target.live() != plan.release else {
                throw ShipitError(.failure, "the release \(plan.release) is live in \(target.path) already")
            }
        }
        try target.removeRelease(plan.release)
    }

    /// What only serves to be quicker goes when there is no room for what has to be done.
    private func makeSpace(_ needed: Int64) throws {
        let wanted = needed + (8 << 20)
        if try target.root.freeSpace() <= wanted {
            try Spare.discard(in: target.own)
            try Trash.empty(in: target.own)
        }
        let free = try target.root.freeSpace()
        guard free > wanted else {
            throw ShipitError(
                .failure, "\(target.path) needs \(wanted >> 20) MiB for the release and has \(free >> 20) MiB free",
                hint: "shipit gc frees space; what is live stays live")
        }
    }

    /// The appspec of an unpacked artifact; none is as good as an empty one.
    static func appspec(in bundle: String, _ say: (String) -> Void) throws -> Appspec {
        for name in Appspec.names {
            guard let bytes = try FileSystem.read("\(bundle)/\(name)", limit: YAMLReader.sizeLimit) else { continue }
            let (appspec, warnings) = try Appspec.parse(bytes, file: name)
            for warning in warnings + appspec.remarks(file: name) { say(warning.description) }
            return appspec
        }
        return Appspec()
    }
}
