import ArtifactKit
import CLinux
import GitKit
import Glibc

/// Where validate finds the files that files name: a folder, an unpacked bundle, or a revision.
protocol SourceTree {
    /// Nil when there is nothing; a link counts as what it leads to, inside.
    func kind(of path: String) throws -> SourceKind?
    /// The beginning of a regular file.
    func read(_ path: String, limit: Int) throws -> [UInt8]
    /// What is in a folder, sorted.
    func names(in folder: String) throws -> [String]
    func isLink(_ path: String) throws -> Bool
    /// The same for one folder, by whatever way one comes to it.
    func identity(of folder: String) throws -> String
}

enum SourceKind: Hashable, Sendable {
    case file, executable, directory
    /// A link that leads nowhere, or out.
    case deadLink
    case other

    var isFile: Bool { self == .file || self == .executable }
}

/// A folder as it is on disk now.
struct FolderTree: SourceTree {
    let root: InstallRoot

    init(_ path: String) throws { root = try InstallRoot(path) }

    func kind(of path: String) throws -> SourceKind? {
        let bytes = Array(path.utf8)
        guard let status = try root.status(bytes, following: true) else {
            return try root.status(bytes, following: false) == nil ? nil : .deadLink
        }
        return switch status.st_mode & S_IFMT {
        case S_IFREG: status.st_mode & 0o111 != 0 ? .executable : .file
        case S_IFDIR: .directory
        default: .other
        }
    }

    func read(_ path: String, limit: Int) throws -> [UInt8] {
        let file = try root.openFile(Array(path.utf8), O_RDONLY | O_NONBLOCK, what: "read")
        defer { close(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while bytes.count < limit {
            let count = Glibc.read(file, &buffer, min(buffer.count, limit - bytes.count))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw root.failure("read", Array(path.utf8)) }
            if count == 0 { break }
            bytes += buffer[..<count]
        }
        return bytes
    }

    func names(in folder: String) throws -> [String] {
        try InstallPlanner.entries(of: Array(folder.utf8), in: root).map { String(decoding: $0, as: UTF8.self) }
    }

    func isLink(_ path: String) throws -> Bool {
        try root.status(Array(path.utf8), following: false).map { $0.st_mode & S_IFMT == S_IFLNK } ?? false
    }

    func identity(of folder: String) throws -> String {
        guard let status = try root.status(Array(folder.utf8), following: true) else { return folder }
        return "\(status.st_dev):\(status.st_ino)"
    }
}

/// A commit of a repository, read without a checkout.
final class RevisionTree: SourceTree {
    private let repository: Repository
    private let revision: Revision
    /// Every folder's names, from the first time that anybody asks.
    private lazy var folders = Result { try listed() }

    init(repository: Repository, revision: Revision) {
        self.repository = repository
        self.revision = revision
    }

    func kind(of path: String) throws -> SourceKind? { try find(path, links: 0)?.kind }

    private func find(_ path: String, links: Int) throws -> (kind: SourceKind, id: ObjectID)? {
        guard let entry = try repository.file(at: path, in: revision) else { return nil }
        switch entry.kind {
        case .file: return (.file, entry.id)
        case .executable: return (.executable, entry.id)
        case .directory, .submodule: return (.directory, entry.id)
        case .link:
            let target = String(decoding: try repository.blob(entry.id), as: UTF8.self)
            guard links < 8, let place = Self.resolve(target, from: path) else { return (.deadLink, entry.id) }
            return try find(place, links: links + 1) ?? (.deadLink, entry.id)
        }
    }

    /// Relative to the root; nil when it leads out.
    private static func resolve(_ target: String, from path: String) -> String? {
        var parts = target.hasPrefix("/") ? [] : path.split(separator: "/").dropLast()
        for part in target.split(separator: "/") where part != "." {
            if part != ".." { parts.append(part) } else if parts.popLast() == nil { return nil }
        }
        return parts.joined(separator: "/")
    }

    func read(_ path: String, limit: Int) throws -> [UInt8] {
        guard let entry = try find(path, links: 0), entry.kind.isFile else { return [] }
        struct Enough: Error {}
        var bytes: [UInt8] = []
        do {
            try repository.readBlob(entry.id) { piece in
                bytes += piece.prefix(limit - bytes.count)
                if bytes.count >= limit { throw Enough() }
            }
        } catch is Enough {}
        return bytes
    }

    /// Nothing below a link to a folder.
    func names(in folder: String) throws -> [String] { try folders.get()[folder] ?? [] }

    func isLink(_ path: String) throws -> Bool { try repository.file(at: path, in: revision)?.kind == .link }

    func identity(of folder: String) -> String { folder }

    private func listed() throws -> [String: [String]] {
        var folders: [String: [String]] = [:]
        try repository.walkTree(of: revision) { entry in
            let path = String(decoding: entry.path, as: UTF8.self)
            let slash = path.lastIndex(of: "/")
            let name = slash.map { String(path[path.index(after: $0)...]) } ?? path
            folders[slash.map { String(path[..<$0]) } ?? "", default: []].append(name)
        }
        return folders
    }
}
