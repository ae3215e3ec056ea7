import ArtifactKit
import Glibc

/// What a deployment brought, in the agent's own file: a path a line, in the order in which it came (AWS reference 1.6).
struct CleanupList: Hashable, Sendable {
    enum Entry: Hashable, Sendable {
        /// Relative to the root that is installed to.
        case path([UInt8])
        /// What semanage was told of.
        case context([UInt8])
    }

    var entries: [Entry] = []

    init(_ entries: [Entry] = []) { self.entries = entries }

    /// A last line without an end was being written when the power went, and is nothing.
    init(parsing bytes: [UInt8], below root: String) {
        let prefix = Array("\(root)/".utf8), mark = Array("semanage\0".utf8)
        var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        lines.removeLast()
        for line in lines {
            let isContext = line.starts(with: mark)
            let path = isContext ? line.dropFirst(mark.count) : line
            // What lies elsewhere is not ours to remove.
            guard path.starts(with: prefix), path.count > prefix.count else { continue }
            let relative = Array(path.dropFirst(prefix.count))
            guard !relative.split(separator: UInt8(ascii: "/")).contains(Array("..".utf8)[...]) else { continue }
            entries.append(isContext ? .context(relative) : .path(relative))
        }
    }

    func hasEntries(below folder: [UInt8]) -> Bool {
        entries.contains { entry in
            if case .path(let path) = entry { return path.below(folder) != nil }
            return false
        }
    }

    func bytes(below root: String) -> [UInt8] {
        let prefix = Array("\(root)/".utf8)
        return entries.flatMap { entry -> [UInt8] in
            switch entry {
            case .path(let path): prefix + path + [UInt8(ascii: "\n")]
            case .context(let path): Array("semanage\0".utf8) + prefix + path + [UInt8(ascii: "\n")]
            }
        }
    }
}
