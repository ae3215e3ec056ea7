import ArtifactKit
import FoundationEssentials
import GitKit
import Glibc

/// Fills a release's folder from the artifact, aside, and gives it its name when it is complete.
///
/// Whoever makes it live syncs the file system first: one wait for all targets there instead of one a file.
struct ReleaseFolder {
    let target: Target
    let plan: DeploymentPlan
    let say: (String) -> Void

    /// What has to be known of a new release before anything is touched.
    struct Prepared {
        var appspec: Appspec
        var manifest: Manifest
    }

    func prepare() throws -> Prepared {
        guard let place = plan.artifact else {
            guard try target.hasRelease(plan.release) else {
                throw ShipitError(.failure, "the release \(plan.release) is gone from \(target.path)")
            }
            return Prepared(
                appspec: try Self.appspec(in: try target.bundle(of: plan.release), say),
                manifest: try Manifest(entries: []))
        }
        try removeLeftovers()
        let description = try artifactDescription(place)
        try checkSpace(description.manifest.totalSize)
        let incoming = try makeFolder("incoming")
        try TarballReader.extract(
            at: place.tarball, manifest: description.manifest, digest: place.digest, into: incoming)
        let appspec = try Self.appspec(in: "\(target.path)/.shipit/incoming", say)
        var manifest = description.manifest
        if appspec.mapsEverything {
            try finish("incoming", manifest)
        } else {
            let mapped = try map(appspec, description.manifest, from: incoming)
            manifest = mapped
            try finish("mapped", mapped)
            try target.root.rename(Array(".shipit/incoming".utf8), to: Array(".shipit/bundles/\(plan.release)".utf8))
        }
        try Failpoint.deployPrepared.reach()
        return Prepared(appspec: appspec, manifest: manifest)
    }

    /// Links, owner, name: in this order, so that what has the name is complete.
    private func finish(_ folder: String, _ manifest: Manifest) throws {
        let release = try target.own.open(Array(folder.utf8))
        try linkShared(in: release)
        try giveToOwner(release, manifest)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes]
        try target.own.writeAtomically(
            Array("manifests/\(plan.release).json".utf8), Array(try encoder.encode(manifest)), sync: false)
        try target.root.rename(Array(".shipit/\(folder)".utf8), to: Array("releases/\(plan.release)".utf8))
    }

    private func makeFolder(_ name: String) throws -> Directory {
        try target.own.makeDirectory(Array(name.utf8), mode: 0o755)
        return try target.own.open(Array(name.utf8))
    }

    /// What a crashed attempt left: nobody can have seen it.
    private func removeLeftovers() throws {
        for (name, _) in try target.own.entries() {
            let text = String(decoding: name, as: UTF8.self)
            if ["incoming", "mapped"].contains(text) || text.hasPrefix("trash-") { try target.own.removeTree(name) }
        }
        if try target.hasRelease(plan.release) {
            guard try target.live() != plan.release else {
                throw ShipitError(.failure, "the release \(plan.release) is live in \(target.path) already")
            }
            try target.removeRelease(plan.release)
        } else if try target.own.metadata(Array("bundles/\(plan.release)".utf8)) != nil {
            try target.own.open(Array("bundles".utf8)).removeTree(Array(plan.release.utf8))
        }
    }

    private func artifactDescription(_ place: DeploymentPlan.ArtifactPlace) throws -> ArtifactDescription {
        let store = place.description
        guard let bytes = try FileSystem.read(store, limit: 1 << 30) else {
            throw ShipitError(
                .failure, "the artifact \(store) is gone",
                hint: "shipit start \(plan.revision.abbreviated()) --rebuild makes it again")
        }
        do {
            let description = try JSONDecoder().decode(ArtifactDescription.self, from: Data(bytes))
            guard description.digest == place.digest else {
                throw ShipitError(.failure, "\(store) describes other bytes than those that were verified")
            }
            return description
        } catch let error as ShipitError {
            throw error
        } catch {
            throw ShipitError(.failure, "\(store) is damaged, so nothing is deployed from it")
        }
    }

    private func checkSpace(_ needed: Int64) throws {
        let free = try target.root.freeSpace()
        let wanted = needed + (8 << 20)
        guard free > wanted else {
            throw ShipitError(
                .failure, "\(target.path) needs \(wanted >> 20) MiB for the release and has \(free >> 20) MiB free",
                hint: "shipit gc frees space; what is live stays live")
        }
    }

    // MARK: files:

    /// What the appspec maps, copied below a second folder; all sources are there before anything is copied.
    private func map(_ appspec: Appspec, _ manifest: Manifest, from incoming: Directory) throws -> Manifest {
        var mapped: [[UInt8]: ManifestEntry] = [:]
        var sources: [[UInt8]: [UInt8]] = [:]
        func add(_ entry: ManifestEntry, at path: [UInt8]) throws {
            guard !path.isEmpty else { return }
            let moved = ManifestEntry(
                path: path, kind: entry.kind, mode: entry.mode, size: entry.size, digest: entry.digest, link: entry.link
            )
            if let there = mapped[path], there.kind != .directory || entry.kind != .directory {
                throw ShipitError(.failure, "appspec.yml maps two sources to \(visible(path))")
            }
            mapped[path] = moved
            sources[path] = entry.path
            var above = path.split(separator: UInt8(ascii: "/"))
            while above.count > 1 {
                above.removeLast()
                let folder = Array(above.joined(separator: [UInt8(ascii: "/")]))
                if let there = mapped[folder] {
                    guard there.kind == .directory else {
                        throw ShipitError(
                            .failure, "appspec.yml maps a file to \(visible(folder)), where a folder is needed")
                    }
                } else {
                    mapped[folder] = .directory(folder)
                }
            }
        }
        for mapping in appspec.files {
            let source = Array(mapping.source.utf8), destination = Array(mapping.destination.utf8)
            let matching = manifest.entries.filter {
                source.isEmpty || $0.path == source || $0.path.starts(with: source + [UInt8(ascii: "/")])
            }
            guard !matching.isEmpty else {
                throw ShipitError(
                    .failure,
                    "appspec.yml names the source \(visibleLine(mapping.source)), which is not in the artifact")
            }
            for entry in matching {
                if entry.path == source, entry.kind != .directory {
                    let name = Array(source.split(separator: UInt8(ascii: "/")).last ?? [])
                    try add(entry, at: destination.isEmpty ? name : destination + [UInt8(ascii: "/")] + name)
                } else if entry.path == source {
                    try add(entry, at: destination)
                } else {
                    let rest = source.isEmpty ? entry.path : Array(entry.path.dropFirst(source.count + 1))
                    try add(entry, at: destination.isEmpty ? rest : destination + [UInt8(ascii: "/")] + rest)
                }
            }
        }
        let entries = mapped.values.sorted { $0.path.lexicographicallyPrecedes($1.path) }
        let result = try Manifest(entries: entries)
        let folder = try makeFolder("mapped")
        for entry in entries {
            switch entry.kind {
            case .directory: try folder.makeDirectory(entry.path)
            case .link:
                try PathRules.checkLink(at: entry.path, target: entry.link)
                try folder.createLink(entry.path, target: entry.link)
            case .file:
                let writer = try folder.createFile(entry.path, mode: entry.mode)
                _ = try incoming.readFile(sources[entry.path] ?? entry.path) { try writer.write($0) }
                try writer.close()
            }
        }
        return result
    }

    /// The appspec of an unpacked artifact; none is as good as an empty one.
    static func appspec(in bundle: String, _ say: (String) -> Void) throws -> Appspec {
        for name in ["appspec.yml", "appspec.yaml"] {
            guard let bytes = try FileSystem.read("\(bundle)/\(name)", limit: YAMLReader.sizeLimit) else { continue }
            let (appspec, warnings) = try Appspec.parse(bytes, file: name)
            for warning in warnings { say(warning.description) }
            return appspec
        }
        return Appspec()
    }

    // MARK: Shared files and folders

    private func linkShared(in release: Directory) throws {
        for shared in plan.shared {
            let path = Array(shared.path.utf8)
            let place = "\(target.path)/shared/\(shared.path)"
            try makeShared(shared, from: release, place)
            if let there = try release.metadata(path) {
                say("\(shared.written) in the release is replaced by the shared one")
                if there.kind == .directory {
                    try Self.parent(of: path, in: release).removeTree(Self.last(path))
                } else {
                    try release.remove(path)
                }
            } else if path.contains(UInt8(ascii: "/")) {
                try release.makeDirectories(Array(path.prefix(path.count - Self.last(path).count - 1)))
            }
            try release.createLink(path, target: Array(place.utf8))
        }
    }

    private func makeShared(_ shared: SharedPath, from release: Directory, _ place: String) throws {
        let path = Array("shared/\(shared.path)".utf8)
        let there = try target.root.metadata(path)
        guard shared.isFolder else {
            guard there != nil else {
                throw ShipitError(
                    .failure, "the shared file \(place) is missing",
                    hint: "make it: install -D -m 600 /dev/null \(place), and fill it in")
            }
            return
        }
        if there == nil {
            try target.root.makeDirectories(path)
            try giveToOwner(try target.root.open(path))
        }
        let folder = try target.root.open(path)
        guard try folder.entries().isEmpty, try release.metadata(Array(shared.path.utf8))?.kind == .directory,
            try !release.open(Array(shared.path.utf8)).entries().isEmpty
        else { return }
        say("\(shared.written) begins with what the release brought")
        try Self.parent(of: path, in: target.root).removeTree(Self.last(path))
        try release.rename(Array(shared.path.utf8), to: path, in: target.root)
    }

    private static func parent(of path: [UInt8], in directory: Directory) throws -> Directory {
        guard let slash = path.lastIndex(of: UInt8(ascii: "/")) else { return directory }
        return try directory.open(Array(path[..<slash]))
    }

    private static func last(_ path: [UInt8]) -> [UInt8] {
        Array(path.split(separator: UInt8(ascii: "/")).last ?? [])
    }

    // MARK: Owner

    /// As root, a release belongs to the owner of the target, as whom its hook scripts run.
    private func giveToOwner(_ release: Directory, _ manifest: Manifest? = nil) throws {
        let owner = try target.root.status()
        guard geteuid() == 0, owner.owner != 0 || owner.group != 0 else { return }
        guard fchown(release.descriptor, owner.owner, owner.group) == 0 else {
            throw ShipitError(.failure, "could not give \(release.path) to its owner: \(systemReason(errno))")
        }
        for entry in manifest?.entries ?? [] { try release.give(entry.path, owner.owner, owner.group) }
    }
}
