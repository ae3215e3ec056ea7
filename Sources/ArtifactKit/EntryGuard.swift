/// Lets the entries of an unknown tarball pass while they are in order and within limits.
struct EntryGuard {
    private let limits: TarballLimits
    private var count = 0
    private var totalSize: Int64 = 0
    private var last: [UInt8] = []
    private var directories: Set<ArraySlice<UInt8>> = []

    init(limits: TarballLimits) {
        self.limits = limits
    }

    mutating func admit(_ entry: ManifestEntry, in stream: TarballStream) throws {
        count += 1
        guard count <= limits.entries else { throw refusal("it has more than \(limits.entries) entries", stream) }
        guard last.precedes(entry.path) else {
            let reason = "\(visible(entry.path)) does not come after \(visible(last))"
            throw ArtifactError(.disorder, what: "accept", path: stream.path, reason: reason)
        }
        last = entry.path
        if let parent = entry.path.parent, !directories.contains(parent) {
            let reason = "\(visible(entry.path)) comes without its directory"
            throw ArtifactError(.disorder, what: "accept", path: stream.path, reason: reason)
        }
        if entry.kind == .directory { directories.insert(entry.path[...]) }
        guard entry.size <= limits.fileSize else {
            throw refusal("\(visible(entry.path)) has more than \(limits.fileSize) bytes", stream)
        }
        guard entry.size <= limits.totalSize - totalSize else {
            throw refusal("its files have more than \(limits.totalSize) bytes", stream)
        }
        totalSize += entry.size
    }

    private func refusal(_ reason: String, _ stream: TarballStream) -> ArtifactError {
        ArtifactError(.tooLarge, what: "accept", path: stream.path, reason: reason)
    }
}
