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
        root = try InstallRoot(folder)
        plan = try InstallPlanner.plan(
            appspec, Self.file, from: self.bundle, to: root, behavior: .disallow, after: CleanupList())
        remarks = plan.remarks
        manifest = try Self.manifest(of: plan, artifact, self.bundle)
    }

    private static let file = "appspec.yml"

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
        let transaction = InstallTransaction(
            plan, from: bundle, to: root, state: state, group: "mapped", id: "mapped", lastSuccessful: "")
        try await transaction.fill(owner: owner)
    }
}

extension Appspec {
    /// The mode that each file and folder of a release gets by the permissions, where they say so.
    func modes(of manifest: Manifest) -> [[UInt8]: UInt16] {
        var modes: [[UInt8]: UInt16] = [:]
        for permission in permissions {
            guard let mode = permission.mode else { continue }
            let object = Array(permission.object.utf8)
            for entry in manifest.entries where entry.kind != .link {
                let type: Permission.ObjectType = entry.kind == .directory ? .directory : .file
                let isObject = entry.path == object && type == .file && permission.types.contains(.file)
                let isBelow = entry.path.below(object).map {
                    permission.matches(below: String(decoding: $0, as: UTF8.self), type)
                }
                if isObject || isBelow ?? false { modes[entry.path] = mode }
            }
        }
        return modes
    }
}
