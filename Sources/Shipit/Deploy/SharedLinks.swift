import ArtifactKit
import FoundationEssentials
import GitKit
import Glibc

/// Files and folders of a target that outlive releases, linked into each by name.
struct SharedLinks {
    /// The target's folder, and where it is.
    let root: Directory
    let path: String
    let paths: [SharedPath]
    let say: (String) -> Void

    private static let slash = UInt8(ascii: "/")

    /// Whether something of the artifact stands where a link belongs, or below.
    static func cover(_ paths: [SharedPath]) -> @Sendable ([UInt8]) -> Bool {
        let shared = paths.map { Array($0.path.utf8) }
        guard !shared.isEmpty else { return { _ in false } }
        return { path in
            shared.contains { path.starts(with: $0) && (path.count == $0.count || path[$0.count] == slash) }
        }
    }

    /// The links themselves, and folders that lead to them.
    static func expected(_ paths: [SharedPath]) -> ([UInt8]) -> Bool {
        let shared = paths.map { Array($0.path.utf8) }
        return { path in
            shared.contains { $0.starts(with: path) && ($0.count == path.count || $0[path.count] == slash) }
        }
    }

    /// Folders that lead to the links, which need not be in the artifact.
    static func folders(_ paths: [SharedPath]) -> [[UInt8]] {
        paths.map { Array($0.path.utf8) }.flatMap { path in
            path.indices.filter { path[$0] == slash }.map { Array(path[..<$0]) }
        }
    }

    static func isReplaced(_ shared: SharedPath) -> String {
        "\(shared.written) in the release is replaced by the shared one"
    }

    /// Puts the links into a new release; what the artifact has there seeds an empty folder, else it is replaced.
    func make(in release: Directory, owner: Owner?) throws {
        for shared in paths {
            let path = Array(shared.path.utf8)
            try prepare(shared, from: release, owner)
            if let there = try release.metadata(path) {
                if there.kind == .link, try release.readLink(path) == Array(place(shared).utf8) { continue }
                say(Self.isReplaced(shared))
                if there.kind == .directory {
                    try Self.parent(of: path, in: release).removeTree(Self.last(path))
                } else {
                    try release.remove(path)
                }
            } else if path.contains(Self.slash) {
                try release.makeDirectories(Array(path.prefix(path.count - Self.last(path).count - 1)))
            }
            try release.createLink(path, target: Array(place(shared).utf8))
        }
    }

    /// Whether a release that was prepared ahead has every link, and none of what is shared is to begin with what the
    /// artifact has there.
    func areMade(in release: Directory, _ manifest: ManifestFile) throws -> Bool {
        for shared in paths {
            let path = Array(shared.path.utf8)
            guard try release.metadata(path)?.kind == .link, try release.readLink(path) == Array(place(shared).utf8)
            else { return false }
            let there = Array("shared/\(shared.path)".utf8)
            guard shared.isFolder else {
                guard try root.metadata(there) != nil else { return false }
                continue
            }
            guard try root.metadata(there)?.kind == .directory else { return false }
            if try root.open(there).entries().isEmpty, try manifest.entry(at: path) != nil { return false }
        }
        return true
    }

    /// Those that have a place in the target; what policy shares since the release was made may have none yet.
    static func placed(_ paths: [SharedPath], in root: Directory) throws -> [SharedPath] {
        try paths.filter { try root.metadata(Array("shared/\($0.path)".utf8)) != nil }
    }

    /// Those of a release that are no links any more, or not there at all.
    static func wrong(
        _ paths: [SharedPath], in release: Directory, _ root: Directory, _ path: String
    ) throws -> [(shared: SharedPath, isGone: Bool)] {
        try placed(paths, in: root).compactMap { shared in
            let name = Array(shared.path.utf8)
            guard let there = try release.metadata(name) else { return (shared, true) }
            let isLink =
                try there.kind == .link && release.readLink(name) == Array("\(path)/shared/\(shared.path)".utf8)
            return isLink ? nil : (shared, false)
        }
    }

    private func place(_ shared: SharedPath) -> String { "\(self.path)/shared/\(shared.path)" }

    private func prepare(_ shared: SharedPath, from release: Directory, _ owner: Owner?) throws {
        let path = Array("shared/\(shared.path)".utf8)
        let there = try root.metadata(path)
        guard shared.isFolder else {
            guard there != nil else {
                throw ShipitError(
                    .failure, "the shared file \(place(shared)) is missing",
                    hint: "make it: install -D -m 600 /dev/null \(place(shared)), and fill it in")
            }
            return
        }
        if there == nil {
            try root.makeDirectories(path)
            if let owner { try root.give(path, owner.user, owner.group) }
        }
        let folder = try root.open(path)
        guard try folder.entries().isEmpty, try release.metadata(Array(shared.path.utf8))?.kind == .directory,
            try !release.open(Array(shared.path.utf8)).entries().isEmpty
        else { return }
        say("\(shared.written) begins with what the release brought")
        try Self.parent(of: path, in: root).removeTree(Self.last(path))
        try release.rename(Array(shared.path.utf8), to: path, in: root)
    }

    private static func parent(of path: [UInt8], in directory: Directory) throws -> Directory {
        guard let slash = path.lastIndex(of: slash) else { return directory }
        return try directory.open(Array(path[..<slash]))
    }

    private static func last(_ path: [UInt8]) -> [UInt8] {
        Array(path.split(separator: slash).last ?? [])
    }
}
