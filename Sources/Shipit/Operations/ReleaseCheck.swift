import ArtifactKit
import Glibc

/// A release's folder compared with its manifest, as the target itself has it: no ledger is needed.
public struct ReleaseCheck: Hashable, Sendable {
    public struct Difference: Hashable, Sendable {
        public enum Kind: String, Hashable, Sendable, Codable {
            case missing, edited, mode, extra
        }

        public let kind: Kind
        /// Relative to the release, safe to show.
        public let path: String
        public let what: String
        /// The same path as it is.
        var name: [UInt8] = []
        /// What the manifest has there; nil for what it has not.
        var entry: ManifestEntry?
        /// A link to what outlives releases, which no manifest has.
        var isShared = false
        /// It is as hook scripts left it during the deployment.
        public internal(set) var isByScripts = false
        /// They had changed it, and somebody else did since.
        var wasByScripts = false
    }

    public private(set) var differences: [Difference] = []

    /// What was taken away or edited, but not by the deployment's own hook scripts; what was added is not among it.
    public var damage: [Difference] { differences.filter { $0.kind != .extra && !$0.isByScripts } }

    private let shared: String
    private let scripts: Set<[UInt8]>
    /// What its appspec changes of it.
    let permissions: [[UInt8]: Permission]
    /// Paths that are links to what outlives releases.
    private var linked: Set<[UInt8]> = []

    /// Nil when the release has no manifest. Links to the target's own `shared` are as they should be; those of
    /// `sharedPaths` have to be there, and nothing else of these is looked at.
    init?(_ release: String, in target: Directory, _ path: String, _ sharedPaths: [SharedPath] = []) throws {
        let name = Array(".shipit/manifests/\(release).manifest".utf8)
        guard try target.metadata(name) != nil else { return nil }
        let manifest: Manifest
        do {
            manifest = try ManifestFile(in: target, name).load()
        } catch {
            throw ShipitError(.failure, "\(path)/.shipit/manifests/\(release).manifest is damaged")
        }
        shared = "\(path)/shared/"
        let hasBundle = FileSystem.isFolder("\(path)/.shipit/bundles/\(release)")
        let bundle = hasBundle ? "\(path)/.shipit/bundles/\(release)" : "\(path)/releases/\(release)"
        // A broken appspec is the deployment's error to report.
        let appspec = try? ReleaseFolder.appspec(in: bundle, { _ in })
        // With a bundle the scripts run from there.
        scripts = hasBundle ? [] : Set(appspec?.hooks.values.joined().map { Array($0.location.utf8) } ?? [])
        permissions = hasBundle ? appspec?.permissions(of: manifest) ?? [:] : [:]
        let folder = try target.open(Array("releases/\(release)".utf8))
        let placed = try SharedLinks.placed(sharedPaths, in: target)
        let isShared = SharedLinks.cover(placed)
        for entry in manifest.entries where !isShared(entry.path) && !isBelowLink(entry.path) {
            try compare(entry, in: folder)
        }
        try findExtras(in: folder, manifest, leavingOut: isShared, on: Set(SharedLinks.folders(placed)))
        for (shared, isGone) in try SharedLinks.wrong(sharedPaths, in: folder, target, path) {
            let what =
                isGone ? "its link to shared/\(shared.path) is gone" : "it is no link to shared/\(shared.path) any more"
            differences.append(
                Difference(
                    kind: isGone ? .missing : .edited, path: visible(Array(shared.path.utf8)), what: what,
                    name: Array(shared.path.utf8), isShared: true))
        }
        if let edits = try ScriptEdits.of(release, in: try target.open(Array(".shipit".utf8))) {
            for place in differences.indices where !differences[place].isShared {
                let difference = differences[place], isExtra = difference.entry == nil
                let isByScripts =
                    try isExtra ? edits.hasAdded(difference.name) : edits.explain(difference.name, in: folder)
                differences[place].isByScripts = isByScripts
                differences[place].wasByScripts = !isByScripts && edits.knows(difference.name)
            }
        }
        differences.sort { ($0.path, $0.kind.rawValue) < ($1.path, $1.kind.rawValue) }
    }

    private mutating func add(_ kind: Difference.Kind, _ entry: ManifestEntry, _ what: String) {
        differences.append(
            Difference(kind: kind, path: visible(entry.path), what: what, name: entry.path, entry: entry))
    }

    private mutating func compare(_ entry: ManifestEntry, in folder: Directory) throws {
        guard let status = try Self.status(of: entry.path, in: folder) else {
            return add(.missing, entry, "it is gone")
        }
        if status.kind == .link, try leadsToShared(entry.path, in: folder) {
            linked.insert(entry.path)
            return
        }
        switch (entry.kind, status.kind) {
        case (.directory, .directory): compareMode(entry, status)
        case (.link, .link):
            let target = try folder.readLink(entry.path)
            if target != entry.link { add(.edited, entry, "it leads to \(visible(target))") }
        case (.file, .file):
            compareMode(entry, status)
            if status.size != entry.size {
                add(.edited, entry, "it has \(status.size) bytes, not \(entry.size)")
            } else if try folder.digest(of: entry.path).digest != entry.digest {
                add(.edited, entry, "its content is another")
            }
        default: add(.edited, entry, "it is no \(entry.kind.rawValue) any more")
        }
    }

    /// Nil too when a link is above it: what that leads to is no part of the release.
    private static func status(of path: [UInt8], in folder: Directory) throws -> ArtifactKit.Status? {
        do {
            return try folder.metadata(path)
        } catch let error as ArtifactError where error.code == .link {
            return nil
        }
    }

    private mutating func compareMode(_ entry: ManifestEntry, _ status: ArtifactKit.Status) {
        // A hook script that the artifact does not make executable is made so in the release.
        let expected = permissions[entry.path]?.expectedMode(entry.mode, status.mode) ?? entry.mode
        guard status.mode != expected, !(scripts.contains(entry.path) && status.mode == 0o755) else { return }
        let octal = { (mode: UInt16) in String(mode, radix: 8) }
        add(.mode, entry, "its mode is \(octal(status.mode)), not \(octal(expected))")
    }

    private func isBelowLink(_ path: [UInt8]) -> Bool {
        linked.contains { path.count > $0.count && path.starts(with: $0) && path[$0.count] == UInt8(ascii: "/") }
    }

    private func leadsToShared(_ path: [UInt8], in folder: Directory) throws -> Bool {
        try folder.readLink(path) == Array(shared.utf8) + path
    }

    /// What is there and was not in the artifact; of a folder that is new only the folder.
    private mutating func findExtras(
        in folder: Directory, _ manifest: Manifest, leavingOut isShared: ([UInt8]) -> Bool, on way: Set<[UInt8]>
    ) throws {
        var folders: [[UInt8]] = [[]]
        while let above = folders.popLast() {
            let directory = above.isEmpty ? folder : try folder.open(above)
            for (name, kind) in try directory.entries() {
                let path = above.isEmpty ? name : above + [UInt8(ascii: "/")] + name
                if try isShared(path) || kind == .link && leadsToShared(path, in: folder) { continue }
                if manifest[path] != nil || kind == .directory && way.contains(path) {
                    if kind == .directory { folders.append(path) }
                } else if kind == .directory, try holdsSharedLinksOnly(path, in: folder) {
                    continue
                } else {
                    differences.append(
                        Difference(
                            kind: .extra, path: visible(path), what: "it was not in the artifact", name: path))
                }
            }
        }
    }

    /// A folder that was made for the sake of a shared file in it.
    private func holdsSharedLinksOnly(_ path: [UInt8], in folder: Directory) throws -> Bool {
        let entries = try folder.open(path).entries()
        return try !entries.isEmpty
            && entries.allSatisfy { name, kind in
                let inner = path + [UInt8(ascii: "/")] + name
                return switch kind {
                case .link: try leadsToShared(inner, in: folder)
                case .directory: try holdsSharedLinksOnly(inner, in: folder)
                default: false
                }
            }
    }
}
