import Crypto

/// The sorted list of what is in an artifact or in a release.
///
/// A manifest that exists is safe to create: its paths and links stay inside the root, and nothing is below a file.
public struct Manifest: Hashable, Sendable {
    /// Sorted by the bytes of their paths, each path once.
    public let entries: [ManifestEntry]

    public init(entries: [ManifestEntry]) throws {
        try Self.check(entries)
        self.entries = entries
    }

    /// Of all that the manifest says, in one canonical form that has nothing to do with its JSON.
    public var digest: Digest {
        var hash = SHA256()
        var bytes = Array("shipit manifest 1\n".utf8)
        for entry in entries {
            entry.appendCanonicalForm(to: &bytes)
            if bytes.count >= 65536 {
                hash.update(data: bytes)
                bytes.removeAll(keepingCapacity: true)
            }
        }
        hash.update(data: bytes)
        return Digest(hash)
    }

    public var totalSize: Int64 { entries.reduce(0) { $0 + $1.size } }

    public subscript(path: [UInt8]) -> ManifestEntry? {
        let index = entries.firstIndex(notBefore: path)
        return index < entries.count && entries[index].path == path ? entries[index] : nil
    }

    /// What was done to `old` to get this one, sorted by path.
    public func differences(from old: Manifest) -> [Difference] {
        var differences: [Difference] = []
        var (next, before) = (entries[...], old.entries[...])
        while let entry = next.first, let former = before.first {
            if entry.path == former.path {
                if entry != former { differences.append(.changed(from: former, to: entry)) }
                next.removeFirst()
                before.removeFirst()
            } else if entry.path.precedes(former.path) {
                differences.append(.added(entry))
                next.removeFirst()
            } else {
                differences.append(.removed(former))
                before.removeFirst()
            }
        }
        return differences + next.map { .added($0) } + before.map { .removed($0) }
    }

    private static func check(_ entries: [ManifestEntry]) throws {
        var checkedParent: ArraySlice<UInt8>?
        var total: Int64 = 0
        for (index, entry) in entries.enumerated() {
            try entry.check()
            guard (entry.kind == .file) == (entry.digest != nil) else {
                throw refusal(.malformed, entry, "a file has a digest, and nothing else has")
            }
            if index > 0, !entries[index - 1].path.precedes(entry.path) {
                throw refusal(.disorder, entry, "it does not come after \(visible(entries[index - 1].path))")
            }
            let parent = entry.path.parent
            if parent != checkedParent, let file = entries[..<index].nonDirectory(above: entry.path) {
                throw refusal(.disorder, entry, "\(visible(file.path)) is not a directory")
            }
            checkedParent = parent
            let (sum, overflow) = total.addingReportingOverflow(entry.size)
            guard !overflow else { throw refusal(.tooLarge, entry, "the sizes have no sum") }
            total = sum
        }
    }

    private static func refusal(_ code: ArtifactError.Code, _ entry: ManifestEntry, _ reason: String) -> ArtifactError {
        ArtifactError(code, what: "list", path: visible(entry.path), reason: reason)
    }
}

extension RandomAccessCollection where Element == ManifestEntry, Index == Int {
    /// Where `path` is or would be.
    func firstIndex(notBefore path: some Collection<UInt8>) -> Int {
        var (low, high) = (startIndex, endIndex)
        while low < high {
            let middle = low + (high - low) / 2
            if self[middle].path.precedes(path) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The nearest listed entry above `path`, if that is a file or a link.
    fileprivate func nonDirectory(above path: [UInt8]) -> ManifestEntry? {
        var above = path.parent
        while let candidate = above {
            let index = firstIndex(notBefore: candidate)
            if index < endIndex, self[index].path.elementsEqual(candidate) {
                return self[index].kind == .directory ? nil : self[index]
            }
            above = candidate.parent
        }
        return nil
    }
}
