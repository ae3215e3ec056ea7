import ArtifactKit
import CLinux
import Glibc

/// The files that an in-place target got, compared with the release that they came from.
///
/// What hook scripts changed of them is told apart where the deployment noted it; what was there before and stayed was never the release's.
struct InstalledCheck {
    private(set) var differences: [ReleaseCheck.Difference] = []
    private let place: InstallRoot

    /// `store`: where the releases are. The release itself is whole.
    init(_ release: String, of policy: EnvironmentPolicy, in store: Directory, at target: String) throws {
        place = try InstallRoot(target)
        let bundle = "\(store.path)/releases/\(release)"
        let hasAppspec = Appspec.names.contains { FileSystem.exists("\(bundle)/\($0)") }
        let appspec = hasAppspec ? try ReleaseFolder.appspec(in: bundle) { _ in } : Appspec.everything
        let artifact = try ManifestFile(in: store, Array(".shipit/manifests/\(release).manifest".utf8)).load()
        let root = try InstallRoot(bundle)
        let plan = try InstallPlanner.plan(
            appspec.naming(policy.accounts), Appspec.names[0], from: root, to: place, behavior: .disallow,
            after: CleanupList(), isBlank: true)
        let manifest = try ReleaseMapping.manifest(of: plan, artifact, root)
        let permissions = appspec.permissions(of: manifest)
        let list = try store.readIfThere(
            Array(".shipit/".utf8) + InstallTransaction.Files(InPlaceInstall.group).cleanup)
        let installed = Set(
            CleanupList(parsing: list ?? [], below: place.path).entries.compactMap { entry -> [UInt8]? in
                if case .path(let path) = entry { return path }
                return nil
            })
        for entry in manifest.entries where entry.kind != .directory && installed.contains(entry.path) {
            try compare(entry, permissions[entry.path])
        }
        guard !differences.isEmpty, let edits = try ScriptEdits.of(release, in: try store.open(Array(".shipit".utf8)))
        else { return }
        // A folder that is reached through a link is not looked at again.
        guard let tree = try? Directory(realPath: target) else { return }
        for place in differences.indices where try Self.isPlain(differences[place], in: tree) {
            differences[place].isByScripts = try edits.explain(differences[place].name, in: tree)
            differences[place].wasByScripts = !differences[place].isByScripts && edits.knows(differences[place].name)
        }
    }

    /// Whether a difference is seen without following a link.
    static func isPlain(_ difference: ReleaseCheck.Difference, in tree: Directory) throws -> Bool {
        do {
            return try (tree.metadata(difference.name) == nil) == (difference.kind == .missing)
        } catch let error as ArtifactError where error.code == .link {
            return false
        }
    }

    private mutating func compare(_ entry: ManifestEntry, _ permission: Permission?) throws {
        func add(_ kind: ReleaseCheck.Difference.Kind, _ what: String) {
            differences.append(
                ReleaseCheck.Difference(
                    kind: kind, path: visible(entry.path), what: what, name: entry.path, entry: entry))
        }
        guard let status = try place.status(entry.path, following: false) else { return add(.missing, "it is gone") }
        switch (entry.kind, status.st_mode & S_IFMT) {
        case (.link, S_IFLNK):
            let there = try place.link(entry.path)
            if there != entry.link { add(.edited, "it leads to \(visible(there))") }
        case (.file, S_IFREG):
            let there = UInt16(status.st_mode & 0o7777)
            let mode = permission?.expectedMode(entry.mode, there) ?? entry.mode
            if there != mode {
                add(.mode, "its mode is \(String(there, radix: 8)), not \(String(mode, radix: 8))")
            }
            guard Int64(status.st_size) == entry.size else {
                return add(.edited, "it has \(status.st_size) bytes, not \(entry.size)")
            }
            let file = try place.openFile(entry.path, O_RDONLY | O_NONBLOCK, what: "read")
            defer { close(file) }
            if try Digest.ofFile(at: "/proc/self/fd/\(file)").digest != entry.digest {
                add(.edited, "its content is another")
            }
        default: add(.edited, "it is no \(entry.kind.rawValue) any more")
        }
    }
}
