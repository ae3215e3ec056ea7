import ArtifactKit
import GitKit

/// Where validate finds the files that files name: a folder, or a revision.
protocol SourceTree {
    /// Nil when there is nothing; links are not followed.
    func kind(of path: String) throws -> SourceKind?
    /// The whole of a regular file, up to a megabyte.
    func read(_ path: String) throws -> [UInt8]
}

enum SourceKind: Hashable, Sendable {
    case file, executable, directory, other

    var isFile: Bool { self == .file || self == .executable }
}

/// A folder as it is on disk now.
struct FolderTree: SourceTree {
    let folder: Directory

    func kind(of path: String) throws -> SourceKind? {
        if path.isEmpty { return .directory }
        guard let status = try folder.metadata(Array(path.utf8)) else { return nil }
        return switch status.kind {
        case .file: status.mode & 0o100 != 0 ? .executable : .file
        case .directory: .directory
        default: .other
        }
    }

    func read(_ path: String) throws -> [UInt8] { try folder.readFile(Array(path.utf8), limit: YAMLReader.sizeLimit) }
}

/// A commit of a repository, read without a checkout.
struct RevisionTree: SourceTree {
    let repository: Repository
    let revision: Revision

    func kind(of path: String) throws -> SourceKind? {
        guard let entry = try repository.file(at: path, in: revision) else { return nil }
        return switch entry.kind {
        case .file: .file
        case .executable: .executable
        case .directory, .submodule: .directory
        case .link: .other
        }
    }

    func read(_ path: String) throws -> [UInt8] {
        guard let entry = try repository.file(at: path, in: revision) else { return [] }
        return try repository.blob(entry.id)
    }
}
