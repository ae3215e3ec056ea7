import ArtifactKit
import Glibc

/// The files of a finished build that its buildspec names, packed.
///
/// Nothing of the build runs any more when this reads, and no link is followed.
struct Collection {
    /// What a build did not leave, or not in a way that can be packed: the build failed.
    struct Fault: Error, CustomStringConvertible {
        let description: String
    }

    private struct Found {
        let path: [UInt8]
        /// In which of the roots, and where in it.
        let root: Int
        let place: [UInt8]
        let kind: ArtifactKit.Status.Kind
        var isExecutable = false
        var size: Int64 = 0
    }

    private let source: Directory
    /// The source, or folders of it, each with its own path in the source.
    private var roots: [(directory: Directory, path: [UInt8])] = []
    private var found: [Found] = []
    /// What somebody should know about what is packed.
    private(set) var notes: [String] = []
    private static let mostNotes = 10
    private var leftOut = 0

    /// What each of `artifacts` names, together; everything if there is none.
    init(_ source: String, _ artifacts: [Buildspec.Artifacts]) throws {
        self.source = try Directory(path: source)
        if artifacts.isEmpty {
            roots = [(self.source, [])]
            try walk(0, nil)
        }
        for artifacts in artifacts { try collect(artifacts) }
        if leftOut > Self.mostNotes {
            notes.append("warning: \(leftOut - Self.mostNotes) more links lead out of the artifact and are left out")
        }
        try addFolders()
        found = found.sorted { one, other in
            if one.path != other.path { return one.path.lexicographicallyPrecedes(other.path) }
            return whole(one).lexicographicallyPrecedes(whole(other))
        }
        try mergeSame()
    }

    private mutating func collect(_ artifacts: Buildspec.Artifacts) throws {
        let (before, first) = (found.count, roots.count)
        roots += try Self.bases(artifacts.baseDirectory, in: source)
        for index in first..<roots.count { try walk(index, artifacts) }
        guard found.count == before else { return }
        let globs = artifacts.files.map { visibleLine($0.pattern) }.joined(separator: ", ")
        let base = artifacts.baseDirectory.map { " below \(visibleLine($0))" } ?? ""
        throw Fault(
            description: "no file matches the artifacts' files: \(globs)\(base)\(try hint(artifacts, from: first))")
    }

    /// A folder is no file, and that is what people write first.
    private func hint(_ artifacts: Buildspec.Artifacts, from first: Int) throws -> String {
        for glob in artifacts.files {
            guard let path = glob.pattern.insideSource, !path.isEmpty, !path.contains("*") else { continue }
            for root in roots[first...] where try root.directory.metadata(Array(path.utf8))?.kind == .directory {
                return "; \(visibleLine(path)) is a folder, \(visibleLine(path))/**/* is what is in it"
            }
        }
        return ""
    }

    // MARK: Finding

    /// Folders that a base-directory names: itself, or those that match its `*`, none of them inside another.
    ///
    /// `visit` is told of each name that is looked at, and may end it.
    static func bases(
        _ base: String?, in source: Directory, visit: () throws -> Void = {}
    ) throws -> [(directory: Directory, path: [UInt8])] {
        guard let base else { return [(source, [])] }
        if !base.contains("*") {
            let path = Array(base.utf8)
            do {
                return [(try source.open(path), path)]
            } catch {
                throw Fault(description: "the base-directory \(visibleLine(base)) is not there after the build")
            }
        }
        let glob = Glob(base)
        var (matching, folders): ([[UInt8]], [[UInt8]]) = ([], [[]])
        while let folder = folders.popLast() {
            for (name, kind) in try open(folder, in: source).entries() {
                try visit()
                guard kind == .directory else { continue }
                let path = folder.isEmpty ? name : folder + [UInt8(ascii: "/")] + name
                if glob.matches(path) { matching.append(path) } else { folders.append(path) }
            }
        }
        guard !matching.isEmpty else {
            throw Fault(description: "no folder matches the base-directory \(visibleLine(base)) after the build")
        }
        return try matching.sorted { $0.lexicographicallyPrecedes($1) }.map { (try open($0, in: source), $0) }
    }

    private static func open(_ folder: [UInt8], in source: Directory) throws -> Directory {
        folder.isEmpty ? source : try source.open(folder)
    }

    private mutating func walk(_ index: Int, _ artifacts: Buildspec.Artifacts?) throws {
        let root = roots[index].directory
        var folders: [[UInt8]] = [[]]
        while let folder = folders.popLast() {
            // What is too deep matters only if something in it is wanted; opening it says so.
            let isFit = folder.isEmpty || (try? PathRules.check(folder)) != nil  // see above
            if !isFit, let artifacts, !artifacts.names(folder + Array("/x".utf8)) { continue }
            let directory = folder.isEmpty ? root : try blamingTree { try root.open(folder) }
            for (name, kind) in try directory.entries() {
                let path = folder.isEmpty ? name : folder + [UInt8(ascii: "/")] + name
                if kind == .directory { folders.append(path) }
                try consider(path, name, kind, directory, index, artifacts)
            }
        }
    }

    private mutating func consider(
        _ path: [UInt8], _ name: [UInt8], _ kind: ArtifactKit.Status.Kind, _ directory: Directory, _ root: Int,
        _ artifacts: Buildspec.Artifacts?
    ) throws {
        // A folder comes along for what is in it; alone it counts only when everything is packed.
        if kind == .directory, artifacts != nil { return }
        if let artifacts {
            guard artifacts.names(path) else { return }
        }
        guard kind == .file || kind == .link || kind == .directory else {
            if artifacts == nil { return }
            throw Fault(description: "\(visible(path)) is neither a file nor a folder nor a link")
        }
        try blamingTree { try PathRules.check(path) }
        let status = try directory.metadata(name)
        let new = artifacts?.discardPaths == true ? name : path
        if kind == .link, try leadsOut(new, try directory.readLink(name)) { return }
        found.append(
            Found(
                path: new, root: root, place: path, kind: kind,
                isExecutable: (status?.mode ?? 0) & 0o100 != 0, size: status?.size ?? 0))
    }

    /// A link out of the artifact, as virtual environments of python have one to their interpreter, is left out: nobody
    /// knows what is there where the artifact goes.
    private mutating func leadsOut(_ path: [UInt8], _ target: [UInt8]) throws -> Bool {
        do {
            try PathRules.checkLink(at: path, target: target)
            return false
        } catch let error as ArtifactError where error.code == .unsafeLink {
            leftOut += 1
            if leftOut <= Self.mostNotes {
                notes.append(
                    "warning: the link \(visibleLine(visible(path))) is left out, since it leads out of the artifact: \(visibleLine(visible(target)))"
                )
            }
            return true
        }
    }

    /// What the build left is its own fault, not one of what packs it.
    private func blamingTree<Value>(_ body: () throws -> Value) throws -> Value {
        do { return try body() } catch let error as ArtifactError
            where [.unsafePath, .unsafeLink, .system(EACCES)].contains(error.code)
        {
            throw Fault(description: "\(error)".replacing("\(source.path)/", with: ""))
        }
    }

    private mutating func addFolders() throws {
        var known = Set(found.filter { $0.kind == .directory }.map(\.path))
        for file in found {
            var parts = file.path.split(separator: UInt8(ascii: "/"))
            while parts.count > 1 {
                parts.removeLast()
                let folder = Array(parts.joined(separator: [UInt8(ascii: "/")]))
                guard known.insert(folder).inserted else { break }
                found.append(Found(path: folder, root: file.root, place: folder, kind: .directory))
            }
        }
    }

    /// The same file by two ways is one; of two files for one name the last by path wins.
    private mutating func mergeSame() throws {
        var (kept, count): ([Found], Int) = ([], 0)
        for one in found {
            guard let other = kept.last, other.path == one.path else {
                kept.append(one)
                continue
            }
            if whole(one) == whole(other) { continue }
            let words =
                "\(visible(whole(other))) and \(visible(whole(one))) both become \(visible(one.path)) in the artifact"
            // What is below a folder would have no place.
            guard one.kind != .directory, other.kind != .directory else { throw Fault(description: words) }
            kept[kept.count - 1] = one
            count += 1
            if count <= Self.mostNotes { notes.append("warning: \(words), which is the latter") }
        }
        if count > Self.mostNotes { notes.append("warning: \(count - Self.mostNotes) more files give way to others") }
        found = kept
    }

    /// Where it is in the source.
    private func whole(_ found: Found) -> [UInt8] {
        let base = roots[found.root].path
        return base.isEmpty ? found.place : base + [UInt8(ascii: "/")] + found.place
    }

    // MARK: Packing

    func pack(into path: String, listingIn manifest: FileWriter?) throws -> TarballSummary {
        let writer = try TarballWriter(at: path, listingIn: manifest)
        for entry in found {
            let root = roots[entry.root].directory
            switch entry.kind {
            case .directory: try writer.addDirectory(entry.path)
            case .link:
                let target = try root.readLink(entry.place)
                try blamingTree { try PathRules.checkLink(at: entry.path, target: target) }
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

extension Buildspec.Artifacts {
    fileprivate func names(_ path: [UInt8]) -> Bool {
        files.contains { $0.matches(path) } && !excludePaths.contains { $0.matches(path) }
    }
}
