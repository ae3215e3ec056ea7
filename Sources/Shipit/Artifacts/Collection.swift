import ArtifactKit
import Glibc

/// The files of a finished build that its buildspec names, packed.
///
/// Nothing of the build runs any more when this reads, and no link is followed.
struct Collection {
    private struct Found {
        let path: [UInt8]
        let place: [UInt8]
        let kind: ArtifactKit.Status.Kind
        let isExecutable: Bool
        let size: Int64
    }

    let root: Directory
    let artifacts: Buildspec.Artifacts?
    private var found: [Found] = []

    init(_ source: String, _ artifacts: Buildspec.Artifacts?) throws {
        self.artifacts = artifacts
        let source = try Directory(path: source)
        if let base = artifacts?.baseDirectory {
            do {
                root = try source.open(Array(base.utf8))
            } catch {
                throw ShipitError(.failure, "the base-directory \(visibleLine(base)) is not there after the build")
            }
        } else {
            root = source
        }
        var folders: [[UInt8]] = [[]]
        while let folder = folders.popLast() {
            let directory = folder.isEmpty ? root : try root.open(folder)
            for (name, kind) in try directory.entries() {
                let path = folder.isEmpty ? name : folder + [UInt8(ascii: "/")] + name
                try PathRules.check(path)
                if kind == .directory { folders.append(path) }
                try consider(path, name, kind, directory)
            }
        }
        if found.isEmpty { throw ShipitError(.failure, "no file matches the artifacts of the buildspec") }
        try addFolders()
        found.sort { $0.path.lexicographicallyPrecedes($1.path) }
        for (one, other) in zip(found, found.dropFirst()) where one.path == other.path {
            throw ShipitError(
                .failure,
                "\(visible(one.place)) and \(visible(other.place)) both become \(visible(one.path)) in the artifact")
        }
    }

    private mutating func consider(
        _ path: [UInt8], _ name: [UInt8], _ kind: ArtifactKit.Status.Kind, _ directory: Directory
    ) throws {
        let isAll = artifacts == nil
        // A folder comes along for what is in it; alone it counts only when everything is packed.
        if kind == .directory, !isAll { return }
        if let artifacts {
            guard artifacts.files.contains(where: { $0.matches(path) }) else { return }
            guard !artifacts.excludePaths.contains(where: { $0.matches(path) }) else { return }
        }
        guard kind == .file || kind == .link || kind == .directory else {
            if isAll { return }
            throw ShipitError(.failure, "\(visible(path)) is neither a file nor a folder nor a link")
        }
        let status = try directory.metadata(name)
        let place = artifacts?.discardPaths == true ? name : path
        found.append(
            Found(
                path: place, place: path, kind: kind, isExecutable: (status?.mode ?? 0) & 0o100 != 0,
                size: status?.size ?? 0))
    }

    private mutating func addFolders() throws {
        var known = Set(found.filter { $0.kind == .directory }.map(\.path))
        for file in found {
            var parts = file.path.split(separator: UInt8(ascii: "/"))
            while parts.count > 1 {
                parts.removeLast()
                let folder = Array(parts.joined(separator: [UInt8(ascii: "/")]))
                guard known.insert(folder).inserted else { break }
                found.append(Found(path: folder, place: folder, kind: .directory, isExecutable: false, size: 0))
            }
        }
    }

    func pack(into path: String, listingIn manifest: FileWriter) throws -> TarballSummary {
        let writer = try TarballWriter(at: path, listingIn: manifest)
        for entry in found {
            switch entry.kind {
            case .directory: try writer.addDirectory(entry.path)
            case .link:
                let target = try root.readLink(entry.place)
                try PathRules.checkLink(at: entry.path, target: target)
                try writer.addLink(entry.path, target: target)
            default:
                try writer.addFile(entry.path, executable: entry.isExecutable, size: entry.size) { write in
                    _ = try root.readFile(entry.place, write)
                }
            }
        }
        return try writer.finish()
    }
}
