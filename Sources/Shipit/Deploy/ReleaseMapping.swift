import ArtifactKit
import Glibc

/// The part of an artifact that an appspec maps, with its permissions: what a release is made of that is not the artifact
/// itself.
struct ReleaseMapping {
    /// Of the release; the permissions that the appspec gives are not in it.
    let manifest: Manifest
    let remarks: [String]
    private let plan: InstallPlan
    private let bundle: InstallRoot
    private let root: InstallRoot

    /// Throws all that is wrong with it. `folder` is empty.
    init(_ appspec: Appspec, _ artifact: Manifest, from bundle: String, to folder: String) throws {
        if let permission = appspec.permissions.first(where: { $0.context != nil }) {
            throw Diagnostics([
                Diagnostic(
                    .error, file: Self.file, line: permission.line,
                    "context is for layout: in-place, since SELinux knows paths and each release has its own; expected semanage fcontext for the target once, by hand"
                )
            ])
        }
        self.bundle = try InstallRoot(bundle)
        root = try InstallRoot(folder, shownAs: "")
        plan = try InstallPlanner.plan(
            appspec, Self.file, from: self.bundle, to: root, behavior: .disallow, after: CleanupList())
        remarks = plan.remarks
        manifest = try Self.manifest(of: plan, artifact, self.bundle)
    }

    private static let file = Appspec.names[0]

    /// What a plan brings, in terms of the artifact that it brings it from.
    static func manifest(of plan: InstallPlan, _ artifact: Manifest, _ bundle: InstallRoot) throws -> Manifest {
        var entries = plan.folders.map { ManifestEntry.directory($0) }
        let top = FileSystem.realPath(bundle.path) ?? bundle.path
        for copy in plan.copies {
            var source = copy.source
            if artifact[source] == nil || !copy.isLink && artifact[source]?.kind == .link,
                let real = try bundle.realFile(source)
            {
                // Through a link.
                source = Array(real.utf8.dropFirst(top.utf8.count + 1))
            }
            guard let entry = artifact[source] else {
                throw ShipitError(.failure, "\(visible(copy.source)) is not in the artifact")
            }
            entries.append(
                ManifestEntry(
                    path: copy.destination, kind: entry.kind, mode: entry.mode, size: entry.size, digest: entry.digest,
                    link: entry.link))
        }
        // Which also sees to it that no link leads out.
        return try Manifest(entries: entries.sorted { $0.path.lexicographicallyPrecedes($1.path) })
    }

    func fill(owner: Owner?, state: Directory) async throws {
        var transaction = InstallTransaction(
            plan, from: bundle, to: root, state: state, group: "mapped", id: "mapped", lastSuccessful: "")
        transaction.owner = owner
        try await transaction.fill()
    }
}

extension Appspec {
    /// What the permissions change of files and folders of a release.
    func permissions(of manifest: Manifest) -> [[UInt8]: Permission] {
        var found: [[UInt8]: Permission] = [:]
        for permission in permissions {
            let object = Array(permission.object.utf8)
            for entry in manifest.entries where entry.kind != .link {
                let type: Permission.ObjectType = entry.kind == .directory ? .directory : .file
                let isObject = entry.path == object && type == .file && permission.types.contains(.file)
                let isBelow = entry.path.below(object).map {
                    permission.matches(below: String(decoding: $0, as: UTF8.self), type)
                }
                if isObject || isBelow ?? false { found[entry.path] = permission }
            }
        }
        return found
    }
}

extension Permission {
    /// The mode that a file of an artifact has afterwards; with an access control list the group's part is its mask.
    func expectedMode(_ mode: UInt16, _ there: UInt16) -> UInt16 {
        let expected = self.mode ?? mode
        return acls.isEmpty ? expected : expected & ~0o070 | there & 0o070
    }
}
