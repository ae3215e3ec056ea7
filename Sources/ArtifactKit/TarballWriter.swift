import CLibarchive
import Crypto
import Glibc

/// Writes a tarball whose bytes depend on nothing but its entries and the version of zstd.
///
/// Entries come in manifest order, each after the directory it is in. The format is GNU's, which stores any name as it
/// is and has no headers that vary; the time in them is always the same, so that a frame stays the same from one commit
/// to the next. A writer that failed is of no more use, and whoever made it removes the file.
public final class TarballWriter {
    /// 1 January 1980, the earliest time that every archive format knows.
    private static let time: time_t = 315_532_800

    private let file: TarballFile
    private let compressor: FrameCompressor
    private let archive: OpaquePointer
    private let entry: OpaquePointer
    private let manifest: ManifestWriter
    private var rule = SectionRule()
    private var count = 0
    private var last: [UInt8]?
    private var frames: [Frame] = []
    private var frameStart: Int64 = 0
    private var directories: Set<ArraySlice<UInt8>> = []
    private var isUsable = true
    private var failure: (any Error)?

    /// The file must not exist; it is made with mode 0600. What is packed is listed in `manifest`.
    public init(at path: String, listingIn manifest: FileWriter?, compressionLevel: Int = 3) throws {
        self.manifest = ManifestWriter(manifest)
        file = try TarballFile(creating: path)
        compressor = FrameCompressor(file: file, level: compressionLevel)
        guard let archive = archive_write_new(), let entry = archive_entry_new() else {
            throw ArtifactError(errno: ENOMEM, what: "write", path: file.path)
        }
        self.archive = archive
        self.entry = entry
        archive_entry_set_mtime(entry, Self.time, 0)
        try check(archive_write_set_format_gnutar(archive))
        try check(archive_write_set_bytes_per_block(archive, 0))
        try check(
            archive_write_open2(
                archive, Unmanaged.passUnretained(self).toOpaque(), nil,
                { _, this, bytes, count in
                    guard let this else { return -1 }
                    return Unmanaged<TarballWriter>.fromOpaque(this).takeUnretainedValue().compress(bytes, count)
                }, nil, nil))
    }

    deinit {
        archive_entry_free(entry)
        // An unfinished tarball gets no proper end.
        archive_write_fail(archive)
        archive_write_free(archive)
    }

    public func addDirectory(_ path: [UInt8]) throws {
        let directory = ManifestEntry.directory(path)
        try adding(directory) { try writeHeader(directory) }
        directories.insert(path[...])
    }

    public func addLink(_ path: [UInt8], target: [UInt8]) throws {
        let link = ManifestEntry.link(path, target: target)
        try adding(link) { try writeHeader(link) }
    }

    /// `write` hands the content, in any pieces, to the closure it is given; it must be `size` bytes.
    public func addFile(
        _ path: [UInt8], executable: Bool, size: Int64,
        _ write: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) throws {
        let header = ManifestEntry.file(path, executable: executable, size: size, digest: nil)
        try adding(header) {
            try writeHeader(header)
            var hash = SHA256()
            var rest = size
            try write { bytes in
                guard bytes.count <= rest else { throw refusal(.differs, path, "it has more than \(size) bytes") }
                rest -= Int64(bytes.count)
                hash.update(bufferPointer: bytes)
                try writeContent(bytes)
            }
            guard rest == 0 else { throw refusal(.differs, path, "it has \(size - rest) bytes instead of \(size)") }
            try list(.file(path, executable: executable, size: size, digest: Digest(hash)))
        }
    }

    /// A section of another tarball, compressed as it is there; its bytes are not looked at.
    public func add(_ section: Section, of other: TarballContent) throws {
        guard isUsable else { throw finished }
        isUsable = false
        guard let frame = other.frame(of: section), let section = other.own(section) else {
            throw refusal(.notFound, section.firstPath, "its section is not in \(other.path)")
        }
        try endFrame()
        rule = SectionRule()
        rule.skip(section)
        try other.copy(frame) { try file.write($0) }
        frames.append(Frame(offset: frameStart, size: file.size - frameStart))
        frameStart = file.size
        try manifest.add(section, of: other.manifest)
        let paths = try other.manifest.paths(in: section)
        for case (let path, .directory) in paths { directories.insert(path[...]) }
        last = paths.last?.path
        count += section.count
        isUsable = true
    }

    /// Ends the tarball and waits until its content is on the disk; its name needs a sync of its folder.
    public func finish() throws -> TarballSummary {
        guard isUsable else { throw finished }
        isUsable = false
        try endFrame()
        try check(archive_write_close(archive))
        try compressor.endFrame()
        let listed = try manifest.finish()
        return TarballSummary(
            digest: try file.finish(), size: file.size, frames: frames, manifest: listed, entries: count)
    }
}

extension TarballWriter {
    private func adding(_ entry: ManifestEntry, _ body: () throws -> Void) throws {
        guard isUsable else { throw finished }
        isUsable = false
        try entry.check()
        if let last, !last.precedes(entry.path) {
            throw refusal(.disorder, entry.path, "it does not come after \(visible(last))")
        }
        if let parent = entry.path.parent, !directories.contains(parent) {
            throw refusal(.disorder, entry.path, "its directory was not added before it")
        }
        if rule.cuts(before: entry.path, size: entry.size) { try endFrame() }
        try body()
        try check(archive_write_finish_entry(archive))
        if entry.kind != .file { try list(entry) }
        isUsable = true
    }

    private func writeHeader(_ item: ManifestEntry) throws {
        item.path.withCPath { archive_entry_copy_pathname(entry, $0) }
        archive_entry_set_size(entry, item.size)
        archive_entry_set_perm(entry, mode_t(item.mode))
        archive_entry_set_symlink(entry, nil)
        switch item.kind {
        case .file: archive_entry_set_filetype(entry, CLIBARCHIVE_FILE)
        case .directory: archive_entry_set_filetype(entry, CLIBARCHIVE_DIRECTORY)
        case .link:
            archive_entry_set_filetype(entry, CLIBARCHIVE_LINK)
            item.link.withCPath { archive_entry_copy_symlink(entry, $0) }
        }
        try check(archive_write_header(archive, entry))
    }

    private func writeContent(_ bytes: UnsafeRawBufferPointer) throws {
        guard !bytes.isEmpty else { return }
        guard archive_write_data(archive, bytes.baseAddress, bytes.count) == bytes.count else {
            throw failure ?? refusal(.malformed, [], libarchiveReason(archive))
        }
    }

    private func compress(_ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
        do {
            try compressor.write(UnsafeRawBufferPointer(start: bytes, count: count))
            return count
        } catch {
            failure = error
            return -1
        }
    }

    private func list(_ entry: ManifestEntry) throws {
        try manifest.add(entry)
        last = entry.path
        count += 1
    }

    private func endFrame() throws {
        guard compressor.frameSize > 0 else { return }
        try compressor.endFrame()
        frames.append(Frame(offset: frameStart, size: file.size - frameStart))
        frameStart = file.size
    }

    private func check(_ result: Int32) throws {
        guard result == ARCHIVE_OK else { throw failure ?? refusal(.malformed, [], libarchiveReason(archive)) }
    }

    private func refusal(_ code: ArtifactError.Code, _ path: [UInt8], _ reason: String) -> ArtifactError {
        let what = path.isEmpty ? "write" : "add \(visible(path)) to"
        return ArtifactError(code, what: what, path: file.path, reason: reason)
    }

    private var finished: ArtifactError {
        refusal(.finished, [], "it was finished already, or something before this failed")
    }
}
