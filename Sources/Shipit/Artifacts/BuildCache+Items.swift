import ArtifactKit

/// What cache paths name in a workspace.
extension BuildCache {
    /// Files and folders, none inside another; a link is nobody's to keep.
    func items(of paths: [CachePath], in workspace: Workspace) throws -> [CacheRecord.Item] {
        var items: [CacheRecord.Item] = []
        var known: [CachePath.Place: Set<[UInt8]>] = [:]
        for path in paths {
            let root = try Directory(path: workspace.folder(path.place))
            for found in try places(of: path, in: root) {
                guard let text = String(validating: found, as: UTF8.self),
                    known[path.place, default: []].insert(found).inserted
                else { continue }
                items.append(
                    CacheRecord.Item(name: "\(items.count)", place: path.place, path: text, written: path.written))
                guard items.count <= limits.items else {
                    throw ShipitError(.failure, "its paths name more than \(limits.items) files and folders")
                }
            }
        }
        // A later path may name the folder of an earlier one.
        return items.filter { !isBelow(Array($0.path.utf8), known[$0.place] ?? []) }
    }

    private func isBelow(_ path: [UInt8], _ known: Set<[UInt8]>) -> Bool {
        path.indices.contains { path[$0] == UInt8(ascii: "/") && known.contains(Array(path[..<$0])) }
    }

    private func places(of path: CachePath, in root: Directory) throws -> [[UInt8]] {
        let base = Array(path.base.joined(separator: "/").utf8)
        let isKept = { (kind: ArtifactKit.Status.Kind?) in kind == .file || kind == .directory }
        if path.isPlain { return try isKept(kindOf(base, in: root)) ? [base] : [] }
        guard try base.isEmpty || kindOf(base, in: root) == .directory else { return [] }
        var (found, visited): ([[UInt8]], Int) = ([], 0)
        var folders = [base]
        while let folder = folders.popLast() {
            let directory = folder.isEmpty ? root : try root.open(folder)
            for (name, kind) in try directory.entries() {
                visited += 1
                guard visited <= limits.contents else {
                    throw ShipitError(.failure, "\(path.written) has more than \(limits.contents) names to go through")
                }
                let place = folder.isEmpty ? name : folder + [UInt8(ascii: "/")] + name
                if path.pattern.matches(place), isKept(kind) {
                    found.append(place)
                } else if kind == .directory {
                    folders.append(place)
                }
            }
        }
        return found
    }

    /// Nil where there is nothing, or a link on the way.
    private func kindOf(_ path: [UInt8], in root: Directory) throws -> ArtifactKit.Status.Kind? {
        do { return try root.metadata(path)?.kind } catch let error as ArtifactError where error.code == .link {
            return nil
        }
    }
}
