import CLibarchive
import Glibc

/// Turns the bytes of a tar into a series of zstd frames, each of which can be decompressed on its own.
///
/// libarchive 3.6 knows no frames, but a "raw" archive of one entry through its zstd filter is exactly one. Bytes are
/// handed on in pieces of one size, so that the result depends on the bytes and not on how they arrived.
final class FrameCompressor {
    private let file: TarballFile
    private let level: Int
    private let pending = UnsafeMutableRawBufferPointer.allocate(byteCount: 128 << 10, alignment: 4096)
    private var pendingCount = 0
    private var archive: OpaquePointer?
    private var failure: (any Error)?
    /// Bytes of the tar in the current frame.
    private(set) var frameSize: Int64 = 0

    init(file: TarballFile, level: Int) {
        self.file = file
        self.level = level
    }

    deinit {
        pending.deallocate()
        guard let archive else { return }
        archive_write_fail(archive)
        archive_write_free(archive)
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let part = UnsafeRawBufferPointer(rebasing: rest.prefix(pending.count - pendingCount))
            UnsafeMutableRawBufferPointer(rebasing: pending[pendingCount...]).copyMemory(from: part)
            pendingCount += part.count
            rest = rest.dropFirst(part.count)
            if pendingCount == pending.count { try compressPending() }
        }
        frameSize += Int64(bytes.count)
    }

    /// Ends the current frame; the next byte begins another.
    func endFrame() throws {
        guard frameSize > 0 else { return }
        try compressPending()
        if let archive {
            try check(archive_write_close(archive), archive)
            self.archive = nil
            archive_write_free(archive)
        }
        frameSize = 0
    }

    private func compressPending() throws {
        guard pendingCount > 0 else { return }
        let archive = try self.archive ?? beginFrame()
        let count = archive_write_data(archive, pending.baseAddress, pendingCount)
        guard count == pendingCount else { throw failure ?? damage(archive) }
        pendingCount = 0
    }

    private func beginFrame() throws -> OpaquePointer {
        guard let archive = archive_write_new(), let entry = archive_entry_new() else { throw noMemory }
        defer { archive_entry_free(entry) }
        self.archive = archive
        try check(archive_write_set_format_raw(archive), archive)
        try check(archive_write_add_filter_zstd(archive), archive)
        try check(archive_write_set_filter_option(archive, "zstd", "compression-level", String(level)), archive)
        try check(archive_write_set_bytes_per_block(archive, 0), archive)
        let this = Unmanaged.passUnretained(self).toOpaque()
        let opened = archive_write_open2(
            archive, this, nil,
            { _, this, bytes, count in
                guard let this else { return -1 }
                return Unmanaged<FrameCompressor>.fromOpaque(this).takeUnretainedValue().store(bytes, count)
            }, nil, nil)
        try check(opened, archive)
        archive_entry_set_filetype(entry, CLIBARCHIVE_FILE)
        try check(archive_write_header(archive, entry), archive)
        return archive
    }

    private func store(_ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
        do {
            try file.write(UnsafeRawBufferPointer(start: bytes, count: count))
            return count
        } catch {
            failure = error
            return -1
        }
    }

    private func check(_ result: Int32, _ archive: OpaquePointer) throws {
        guard result == ARCHIVE_OK else { throw failure ?? damage(archive) }
    }

    private func damage(_ archive: OpaquePointer) -> ArtifactError {
        ArtifactError(.malformed, what: "compress", path: file.path, reason: libarchiveReason(archive))
    }

    private var noMemory: ArtifactError {
        ArtifactError(errno: ENOMEM, what: "compress", path: file.path)
    }
}
