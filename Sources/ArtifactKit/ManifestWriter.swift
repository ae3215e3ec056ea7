import Crypto

/// Writes a manifest's file, entry by entry or in whole sections of another manifest.
///
/// The file has a line for each entry (see ``ManifestEntry/text``), then a line for each section
/// (`s ENTRIES BYTES CONTENT DIGEST FIRST-PATH`), then `shipit manifest 2 OFFSET` with the place of the first of those.
public final class ManifestWriter {
    static let ending = "shipit manifest 2"

    private let file: FileWriter?
    private var rule = SectionRule()
    private var pending: [UInt8] = []
    private var pendingStart: (entry: Int, path: [UInt8], content: Int64) = (0, [], 0)
    /// Of `pending`, when it came as a whole and nothing was added to it.
    private var pendingDigest: Digest?
    private var sections: [Section] = []
    private var count = 0
    private var offset: Int64 = 0
    private var last: [UInt8]?

    /// The writer of a new file, which is closed by ``finish()``; without one only the digest comes of it.
    public init(_ file: FileWriter?) {
        self.file = file
    }

    /// In the order of the paths; a file with its digest.
    public func add(_ entry: ManifestEntry) throws {
        try check(entry)
        if rule.cuts(before: entry.path, size: entry.size) { try endSection() }
        if pending.isEmpty { begin(entry) }
        pendingDigest = nil
        pending.append(contentsOf: entry.text.utf8)
        pending.append(UInt8(ascii: "\n"))
        pendingStart.content += entry.size
        last = entry.path
        count += 1
    }

    /// All entries of a section of another manifest; not read one by one where it may stay as it is.
    public func add(_ section: Section, of other: ManifestFile) throws {
        let lines = try other.lines(of: section)
        let first = try lines.withUnsafeBytes { try other.firstEntry(in: $0) }
        var next = rule
        guard pending.isEmpty || next.cuts(before: first.path, size: first.size) else {
            for entry in try other.entries(of: section) { try add(entry) }
            return
        }
        try check(first)
        try endSection()
        begin(first)
        pending = lines
        pendingStart.content = section.content
        pendingDigest = section.digest
        rule = SectionRule()
        rule.skip(section)
        last = try lines.withUnsafeBytes { try other.lastEntry(in: $0) }.path
        count += section.count
    }

    /// The manifest's digest. Nothing is synced: whoever relies on the file after a power cut does that.
    public func finish() throws -> Digest {
        try endSection()
        let table = sections.map(\.line).joined()
        try file?.write(Array("\(table)\(Self.ending) \(offset)\n".utf8))
        try file?.close()
        return Digest.of(table.utf8)
    }

    private func begin(_ entry: ManifestEntry) { pendingStart = (count, entry.path, 0) }

    private func endSection() throws {
        guard !pending.isEmpty else { return }
        try file?.write(pending)
        sections.append(
            Section(
                firstEntry: pendingStart.entry, count: count - pendingStart.entry, firstPath: pendingStart.path,
                content: pendingStart.content, digest: pendingDigest ?? Digest.of(pending), offset: offset,
                size: pending.count))
        offset += Int64(pending.count)
        pending.removeAll(keepingCapacity: true)
    }

    private func check(_ entry: ManifestEntry) throws {
        try entry.check()
        guard (entry.kind == .file) == (entry.digest != nil) else {
            throw refusal(.malformed, entry, "a file has a digest, and nothing else has")
        }
        if let last, !last.precedes(entry.path) {
            throw refusal(.disorder, entry, "it does not come after \(visible(last))")
        }
    }

    private func refusal(_ code: ArtifactError.Code, _ entry: ManifestEntry, _ reason: String) -> ArtifactError {
        ArtifactError(code, what: "list", path: visible(entry.path), reason: reason)
    }
}

extension Section {
    /// What the table of a manifest's file says of it.
    fileprivate var line: String {
        "s \(count) \(size) \(content) \(digest) \(ManifestEntry.escape(firstPath))\n"
    }
}
