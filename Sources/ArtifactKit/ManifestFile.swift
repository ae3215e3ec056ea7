import Crypto
import Glibc

/// A manifest in its file: the table of its sections in memory, their entries read when somebody asks.
///
/// May be used by several threads: reading leaves no trace in it.
public final class ManifestFile: @unchecked Sendable {
    public let sections: [Section]
    /// Of the table, and so of everything in it.
    public let digest: Digest
    public let path: String
    // Only ever read at given places, and closed when nobody has it any more.
    private let file: Descriptor

    public convenience init(at path: String) throws {
        try self.init(Descriptor(reading: path), visible(Array(path.utf8)))
    }

    /// A file below a directory, no link being followed on the way.
    public convenience init(in directory: Directory, _ name: [UInt8]) throws {
        let file = try directory.openBeneath(name, O_RDONLY | O_NONBLOCK, what: "read")
        try file.checkIsFile(what: "read") { directory.shown(name) }
        try self.init(file, directory.shown(name))
    }

    private init(_ file: Descriptor, _ path: String) throws {
        self.file = file
        self.path = path
        let size: Int64
        do { size = try file.status().size } catch { throw error.named("read", path) }
        let damage = ArtifactError(.malformed, what: "read", path: path, reason: "it is not a whole manifest")
        let tail = try file.read(at: max(0, size - 64), count: Int(min(64, size)), path)
        let last = tail.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast().last
        let words = String(decoding: last ?? [], as: UTF8.self).split(separator: " ")
        guard tail.last == UInt8(ascii: "\n"), words.dropLast().joined(separator: " ") == ManifestWriter.ending,
            let start = words.last.flatMap({ Int64($0) }), let length = last?.count,
            start >= 0, start <= size - Int64(length) - 1, size - start < 1 << 30
        else { throw damage }
        let table = try file.read(at: start, count: Int(size - start) - length - 1, path)
        guard let sections = table.withUnsafeBytes({ Section.parse($0) }),
            (sections.last.map { $0.offset + Int64($0.size) } ?? 0) == start
        else { throw damage }
        self.sections = sections
        digest = Digest.of(table)
    }

    public var entryCount: Int { sections.last.map { $0.firstEntry + $0.count } ?? 0 }

    /// Bytes of all files.
    public var totalSize: Int64 { sections.reduce(0) { $0 + $1.content } }

    /// The entries of a section, each safe to create; throws unless they have the section's digest.
    public func entries(of section: Section) throws -> [ManifestEntry] {
        let lines = try lines(of: section)
        guard Digest.of(lines) == section.digest else { throw damage("a section does not have its digest") }
        var entries: [ManifestEntry] = []
        entries.reserveCapacity(section.count)
        try lines.withUnsafeBytes { bytes in
            try Self.forEachLine(in: bytes) { line in
                guard let entry = ManifestEntry.parse(line) else { throw damage("a line is not an entry") }
                try entry.check()
                if let last = entries.last, !last.path.precedes(entry.path) { throw damage("its lines are not sorted") }
                entries.append(entry)
            }
        }
        guard entries.count == section.count, entries.first?.path == section.firstPath else {
            throw damage("a section does not have its entries")
        }
        return entries
    }

    /// The entry of a path, if there is one.
    public func entry(at path: [UInt8]) throws -> ManifestEntry? {
        guard let index = index(ofSectionWith: path) else { return nil }
        let entries = try entries(of: sections[index])
        let place = entries.firstIndex(notBefore: path)
        return place < entries.count && entries[place].path == path ? entries[place] : nil
    }

    /// The section in which a path is or would be; nil before the first.
    public func index(ofSectionWith path: [UInt8]) -> Int? {
        var (low, high) = (0, sections.count)
        while low < high {
            let middle = low + (high - low) / 2
            if path.precedes(sections[middle].firstPath) { high = middle } else { low = middle + 1 }
        }
        return low == 0 ? nil : low - 1
    }

    /// All of it in memory, for who looks at everything anyway.
    public func load() throws -> Manifest { try Manifest(entries: sections.flatMap { try entries(of: $0) }) }

    /// Writes the whole file to another.
    public func copy(to writer: FileWriter) throws {
        let status: Status
        do { status = try file.status() } catch { throw error.named("read", path) }
        var done: Int64 = 0
        while done < status.size {
            let part = try file.read(at: done, count: Int(min(1 << 20, status.size - done)), path)
            try writer.write(part)
            done += Int64(part.count)
        }
        try writer.close()
    }

    func lines(of section: Section) throws -> [UInt8] { try file.read(at: section.offset, count: section.size, path) }

    /// The paths alone, which is faster; neither checked nor compared with the digest.
    func paths(in section: Section) throws -> [(path: [UInt8], kind: EntryKind)] {
        var paths: [(path: [UInt8], kind: EntryKind)] = []
        paths.reserveCapacity(section.count)
        try lines(of: section).withUnsafeBytes { bytes in
            try Self.forEachLine(in: bytes) { line in
                guard let (kind, name) = ManifestEntry.scan(line), let path = ManifestEntry.unescape(name) else {
                    throw damage("a line is not an entry")
                }
                paths.append((path, kind))
            }
        }
        guard paths.count == section.count else { throw damage("a section does not have its entries") }
        return paths
    }

    func firstEntry(in lines: UnsafeRawBufferPointer) throws -> ManifestEntry {
        let end = lines.firstIndex(of: UInt8(ascii: "\n")) ?? lines.endIndex
        guard let entry = ManifestEntry.parse(.init(rebasing: lines[..<end])) else {
            throw damage("a line is no entry")
        }
        return entry
    }

    func lastEntry(in lines: UnsafeRawBufferPointer) throws -> ManifestEntry {
        let rest = lines.dropLast()
        let start = rest.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? rest.startIndex
        guard let entry = ManifestEntry.parse(.init(rebasing: rest[start...])) else {
            throw damage("a line is no entry")
        }
        return entry
    }

    static func forEachLine(
        in lines: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Void
    ) rethrows {
        var start = 0
        while start < lines.count {
            let end = endOfLine(in: lines, from: start)
            try body(.init(rebasing: lines[start..<end]))
            start = end + 1
        }
    }

    /// Where the line ends that a byte belongs to: at its line feed, or at the end of all.
    static func endOfLine(in lines: UnsafeRawBufferPointer, from start: Int) -> Int {
        guard let base = lines.baseAddress, start < lines.count,
            let end = memchr(base + start, Int32(UInt8(ascii: "\n")), lines.count - start)
        else { return lines.count }
        return UnsafeRawPointer(end) - base
    }

    func damage(_ reason: String) -> ArtifactError {
        ArtifactError(.malformed, what: "read", path: path, reason: reason)
    }
}

extension Section {
    /// The table of a manifest's file; nil unless each line is a section that can be.
    fileprivate static func parse(_ table: UnsafeRawBufferPointer) -> [Section]? {
        var sections: [Section] = []
        var isSound = true
        var (entry, offset) = (0, Int64(0))
        ManifestFile.forEachLine(in: table) { line in
            var rest = line[...]
            guard ManifestEntry.word(&rest)?.elementsEqual("s".utf8) == true,
                let count = ManifestEntry.word(&rest).flatMap({ ManifestEntry.number($0) }), count > 0,
                let size = ManifestEntry.word(&rest).flatMap({ ManifestEntry.number($0) }), size > 0, size < 1 << 30,
                let content = ManifestEntry.word(&rest).flatMap({ ManifestEntry.number($0) }),
                let digest = ManifestEntry.word(&rest).flatMap({ Digest(hexDigits: .init(rebasing: $0)) }),
                let path = ManifestEntry.unescape(rest), count <= size,
                sections.last?.firstPath.precedes(path) ?? true
            else {
                isSound = false
                return
            }
            sections.append(
                Section(
                    firstEntry: entry, count: Int(count), firstPath: path, content: content, digest: digest,
                    offset: offset, size: Int(size)))
            entry += Int(count)
            offset += size
        }
        return isSound ? sections : nil
    }
}

extension Descriptor {
    /// Exactly so many bytes from a place, or an error.
    func read(at offset: Int64, count: Int, _ path: String) throws -> [UInt8] {
        guard count > 0 else { return [] }
        var done = 0
        var number: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialised in
            while done < count {
                let got = retrying {
                    pread(self.number, buffer.baseAddress.map { $0 + done }, count - done, off_t(offset) + off_t(done))
                }
                if got < 0 { number = errno }
                guard got > 0 else { break }
                done += got
            }
            initialised = done
        }
        guard number == 0 else { throw ArtifactError(errno: number, what: "read", path: path) }
        guard done == count else {
            throw ArtifactError(.malformed, what: "read", path: path, reason: "it is shorter than it says")
        }
        return bytes
    }
}
