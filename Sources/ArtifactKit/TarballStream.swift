import CLibarchive
import Crypto
import Glibc

/// Goes once through the entries of a tarball, or of one frame of it, and hashes the file on the way.
final class TarballStream {
    let path: String
    private let file: Descriptor
    private let archive: OpaquePointer
    private let buffer: UnsafeMutableRawBufferPointer
    private var rest: Int64
    private var hash = SHA256()
    private var failure: SystemFailure?
    private var current: ManifestEntry?

    init(at path: String, frame: Frame? = nil) throws {
        self.path = visible(Array(path.utf8))
        file = try Descriptor(reading: path)
        guard let archive = archive_read_new() else {
            throw ArtifactError(errno: ENOMEM, what: "read", path: self.path)
        }
        self.archive = archive
        buffer = .allocate(byteCount: 256 << 10, alignment: 4096)
        rest = frame?.size ?? .max
        if let frame, lseek(file.number, off_t(frame.offset), SEEK_SET) < 0 {
            throw ArtifactError(errno: errno, what: "read", path: self.path)
        }
        try check(archive_read_support_format_tar(archive))
        try check(archive_read_support_filter_zstd(archive))
        let opened = archive_read_open(
            archive, Unmanaged.passUnretained(self).toOpaque(), nil,
            { _, this, bytes in
                guard let this else { return -1 }
                return Unmanaged<TarballStream>.fromOpaque(this).takeUnretainedValue().refill(bytes)
            }, nil)
        try check(opened)
        guard archive_filter_count(archive) == 2, archive_filter_code(archive, 0) == ARCHIVE_FILTER_ZSTD else {
            throw damage("not one zstd stream")
        }
    }

    deinit {
        archive_read_free(archive)
        buffer.deallocate()
    }

    /// nil at the end. What is returned passed ``ManifestEntry/check()``; it has no digest.
    func next() throws -> ManifestEntry? {
        var header: OpaquePointer?
        let result = archive_read_next_header(archive, &header)
        if result == ARCHIVE_EOF { return nil }
        try check(result)
        guard let header, archive_format(archive) & ARCHIVE_FORMAT_BASE_MASK == ARCHIVE_FORMAT_TAR else {
            throw damage("not a tar")
        }
        let entry = try ManifestEntry(header) { damage($0) }
        try entry.check()
        current = entry
        return entry
    }

    /// Hands over the content of the entry that ``next()`` gave last, once, and returns its digest.
    func readContent(_ consume: (UnsafeRawBufferPointer) throws -> Void) throws -> Digest {
        guard let entry = current else { throw damage("the content of an entry can be read once") }
        current = nil
        var hash = SHA256()
        var count: Int64 = 0
        while true {
            var bytes: UnsafeRawPointer?
            var size = 0
            var offset: Int64 = 0
            let result = archive_read_data_block(archive, &bytes, &size, &offset)
            if result == ARCHIVE_EOF { break }
            try check(result)
            guard offset == count, Int64(size) <= entry.size - count else { throw damage("a file with holes") }
            let part = UnsafeRawBufferPointer(start: bytes, count: size)
            count += Int64(size)
            hash.update(bufferPointer: part)
            try consume(part)
        }
        guard count == entry.size else { throw damage("\(visible(entry.path)) has \(count) bytes of \(entry.size)") }
        return Digest(hash)
    }

    /// Reads what follows the tar's end too, and returns the digest of the whole file.
    func digestOfFile() throws -> Digest {
        var bytes: UnsafeRawPointer?
        while true {
            let count = refill(&bytes)
            if let failure { throw failure.named("read", path) }
            if count == 0 { return Digest(hash) }
        }
    }

    func damage(_ reason: String) -> ArtifactError {
        ArtifactError(.malformed, what: "read", path: path, reason: reason)
    }

    private func refill(_ bytes: UnsafeMutablePointer<UnsafeRawPointer?>?) -> Int {
        let wanted = Int(min(Int64(buffer.count), rest))
        let count = retrying { read(file.number, buffer.baseAddress, wanted) }
        guard count >= 0 else {
            failure = SystemFailure(number: errno)
            return -1
        }
        rest -= Int64(count)
        hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        bytes?.pointee = UnsafeRawPointer(buffer.baseAddress)
        return count
    }

    private func check(_ result: Int32) throws {
        if let failure { throw failure.named("read", path) }
        guard result == ARCHIVE_OK else { throw damage(libarchiveReason(archive)) }
    }
}

extension ManifestEntry {
    /// Only what a tarball of ours can have; anything else in the header is a reason to refuse it.
    fileprivate init(_ header: OpaquePointer, refusal: (String) -> ArtifactError) throws {
        guard let name = archive_entry_pathname(header) else { throw refusal("an entry without a name") }
        var path = Array(UnsafeBufferPointer(start: name, count: strlen(name))).map { UInt8(bitPattern: $0) }
        let shown = { visible(Array(path.prefix(512))) }
        guard archive_entry_hardlink(header) == nil else { throw refusal("\(shown()) is a hard link") }
        guard archive_entry_sparse_count(header) == 0 else { throw refusal("\(shown()) has holes") }
        guard archive_entry_xattr_count(header) == 0, archive_entry_acl_types(header) == 0 else {
            throw refusal("\(shown()) has extended attributes")
        }
        let size = archive_entry_size_is_set(header) != 0 ? archive_entry_size(header) : 0
        let mode = UInt16(truncatingIfNeeded: archive_entry_perm(header))
        let kind: EntryKind
        var link: [UInt8] = []
        switch archive_entry_filetype(header) {
        case CLIBARCHIVE_FILE: kind = .file
        case CLIBARCHIVE_DIRECTORY:
            kind = .directory
            if path.last == UInt8(ascii: "/") { path.removeLast() }
        case CLIBARCHIVE_LINK:
            kind = .link
            guard let target = archive_entry_symlink(header) else { throw refusal("\(shown()) leads nowhere") }
            link = Array(UnsafeBufferPointer(start: target, count: strlen(target))).map { UInt8(bitPattern: $0) }
        default: throw refusal("\(shown()) is no file, directory or link")
        }
        self.init(path: path, kind: kind, mode: mode, size: size, digest: nil, link: link)
    }
}
