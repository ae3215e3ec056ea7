import CLibarchive
import Glibc

/// Unpacks archives that others made: tar, tar with gzip, zip. Believes nothing that they say, and never leaves the folder.
public enum BundleArchive {
    public enum Format: Hashable, Sendable {
        /// With any usual compression, as tar(1) has it.
        case tar
        case tgz
        case zip
    }

    private static let mostEntries = 1_000_000

    /// Modes, times, links and, for root, owners are those of the archive; a name that comes again replaces what was there.
    ///
    /// `folder` should be empty, and is of no use when this throws. `check` is asked between entries whether to go on.
    public static func unpack(
        _ path: String, _ format: Format, into folder: Directory, check: () throws -> Void = {}
    ) throws {
        // Without it libarchive knows no letters but those of ASCII, and zip names are UTF-8.
        let locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nil)
        let former = locale.map { uselocale($0) }
        defer {
            if let former { uselocale(former) }
            if let locale { freelocale(locale) }
        }
        guard let archive = archive_read_new() else {
            throw ArtifactError(errno: ENOMEM, what: "unpack", path: visible(Array(path.utf8)))
        }
        defer { archive_read_free(archive) }
        // unzip(1) gives nobody's files away.
        var unpacking = Unpacking(
            archive: archive, folder: folder, path: visible(Array(path.utf8)),
            keepsOwners: geteuid() == 0 && format != .zip)
        switch format {
        case .tar:
            try unpacking.check(archive_read_support_format_tar(archive))
            // Those that need no other program.
            for support in [
                archive_read_support_filter_gzip, archive_read_support_filter_bzip2, archive_read_support_filter_xz,
                archive_read_support_filter_zstd, archive_read_support_filter_compress,
            ] {
                try unpacking.check(support(archive))
            }
        case .tgz:
            try unpacking.check(archive_read_support_format_tar(archive))
            try unpacking.check(archive_read_support_filter_gzip(archive))
        case .zip: try unpacking.check(archive_read_support_format_zip(archive))
        }
        try unpacking.check(archive_read_open_filename(archive, path, 256 << 10))
        var count = 0
        var header: OpaquePointer?
        while true {
            let result = archive_read_next_header(archive, &header)
            if result == ARCHIVE_EOF { break }
            try unpacking.check(result)
            try check()
            count += 1
            guard count <= mostEntries, let header else { throw unpacking.damage("more than \(mostEntries) entries") }
            if format == .tgz, archive_filter_code(archive, 0) != ARCHIVE_FILTER_GZIP {
                throw unpacking.damage("it is not compressed with gzip")
            }
            try unpacking.unpack(header)
        }
        try unpacking.finishFolders()
    }
}

private struct Unpacking {
    let archive: OpaquePointer
    let folder: Directory
    let path: String
    let keepsOwners: Bool
    /// Closed folders must be written to until all is there.
    private var folders: [(path: [UInt8], header: Header)] = []

    private struct Header {
        let mode: mode_t
        let seconds: Int
        let owner: Owner?
    }

    init(archive: OpaquePointer, folder: Directory, path: String, keepsOwners: Bool) {
        self.keepsOwners = keepsOwners
        self.archive = archive
        self.folder = folder
        self.path = path
    }

    func damage(_ reason: String) -> ArtifactError {
        ArtifactError(.malformed, what: "unpack", path: path, reason: reason)
    }

    /// Warnings are for names in other letters and the like.
    func check(_ result: Int32) throws {
        guard result == ARCHIVE_OK || result == ARCHIVE_WARN else { throw damage(libarchiveReason(archive)) }
    }

    mutating func unpack(_ entry: OpaquePointer) throws {
        guard let name = bytes(archive_entry_pathname(entry)) else { throw damage("an entry without a name") }
        let place = try plain(name)
        // `./` is the folder itself.
        guard !place.isEmpty else { return }
        let slash = place.lastIndex(of: UInt8(ascii: "/"))
        if let slash { try makeFolders(Array(place[..<slash])) }
        if let target = bytes(archive_entry_hardlink(entry)) { return try link(place, to: try plain(target)) }
        let header = header(of: entry)
        switch archive_entry_filetype(entry) {
        case CLIBARCHIVE_DIRECTORY:
            try makeFolders(place)
            folders.append((place, header))
        case CLIBARCHIVE_LINK:
            guard let target = bytes(archive_entry_symlink(entry)) else { throw damage("a link leads nowhere") }
            try makeWay(place)
            try folder.createLink(place, target: target)
            try folder.withParent(of: place, what: "unpack") { parent, name in
                if let owner = header.owner { fchownat(parent, name, owner.user, owner.group, AT_SYMLINK_NOFOLLOW) }
            }
        case CLIBARCHIVE_FILE:
            try makeWay(place)
            try folder.withParent(of: place, what: "unpack") { parent, name in
                do throws(SystemFailure) {
                    let file = try makeFile(name, in: parent, mode: 0o600)
                    try write(to: file)
                    finish(file, header)
                } catch {
                    throw error.named("unpack", folder.shown(place))
                }
            }
        default: throw damage("\(visible(place)) is no file, folder or link")
        }
    }

    /// Relative and without dots, as tar makes names; climbing is refused.
    private func plain(_ name: [UInt8]) throws -> [UInt8] {
        let parts = name.split(separator: UInt8(ascii: "/")).filter { $0 != [UInt8(ascii: ".")] }
        let path = Array(parts.joined(separator: [UInt8(ascii: "/")]))
        if !path.isEmpty { try PathRules.check(path) }
        return path
    }

    private func bytes(_ text: UnsafePointer<CChar>?) -> [UInt8]? {
        text.map { Array(UnsafeRawBufferPointer(start: $0, count: strlen($0))) }
    }

    private func header(of entry: OpaquePointer) -> Header {
        var owner: Owner?
        if keepsOwners {
            let user = archive_entry_uname(entry).flatMap { getpwnam($0) }?.pointee.pw_uid
            let group = archive_entry_gname(entry).flatMap { getgrnam($0) }?.pointee.gr_gid
            owner = Owner(
                user: user ?? UInt32(truncatingIfNeeded: archive_entry_uid(entry)),
                group: group ?? UInt32(truncatingIfNeeded: archive_entry_gid(entry)))
        }
        return Header(mode: archive_entry_perm(entry), seconds: archive_entry_mtime(entry), owner: owner)
    }

    /// Files and links in the way go, folders stay.
    private func makeFolders(_ path: [UInt8]) throws {
        for end in path.indices where path[end] == UInt8(ascii: "/") { try makeFolder(Array(path[..<end])) }
        try makeFolder(path)
    }

    private func makeFolder(_ path: [UInt8]) throws {
        if let there = try folder.metadata(path) {
            if there.kind == .directory { return }
            try folder.remove(path)
        }
        try folder.makeDirectory(path)
    }

    private func makeWay(_ path: [UInt8]) throws {
        guard let there = try folder.metadata(path) else { return }
        guard there.kind != .directory else { throw damage("\(visible(path)) is a folder, and then something else") }
        try folder.remove(path)
    }

    private func link(_ path: [UInt8], to target: [UInt8]) throws {
        guard path != target else { return }
        try makeWay(path)
        try folder.withParent(of: target, what: "unpack") { from, name in
            try folder.withParent(of: path, what: "unpack") { to, newName in
                guard linkat(from, name, to, newName, 0) == 0 else { throw folder.failure(errno, "unpack", path) }
            }
        }
    }

    private func write(to file: Descriptor) throws(SystemFailure) {
        var data: UnsafeRawPointer?
        var size = 0
        var offset: Int64 = 0
        while true {
            let result = archive_read_data_block(archive, &data, &size, &offset)
            if result == ARCHIVE_EOF {
                // A hole at the end has no data.
                let end = lseek(file.number, 0, SEEK_END)
                if offset > Int64(end), ftruncate(file.number, off_t(offset)) != 0 {
                    throw SystemFailure(number: errno)
                }
                return
            }
            guard result == ARCHIVE_OK || result == ARCHIVE_WARN else { throw SystemFailure(number: EILSEQ) }
            // Holes are left out.
            guard lseek(file.number, off_t(offset), SEEK_SET) >= 0 else { throw SystemFailure(number: errno) }
            try file.write(UnsafeRawBufferPointer(start: data, count: size))
        }
    }

    /// The mode last, since a change of the owner takes set-user-id away.
    private func finish(_ file: Descriptor, _ header: Header) {
        var mode = header.mode & 0o7777
        // Set-user-id of somebody else than the owner is a gift to everybody.
        if let owner = header.owner, fchown(file.number, owner.user, owner.group) != 0 { mode &= 0o777 }
        fchmod(file.number, mode)
        file.setTimes(seconds: Int64(header.seconds))
    }

    func finishFolders() throws {
        for (path, header) in folders.reversed() where try folder.metadata(path)?.kind == .directory {
            finish(try folder.open(path).handle, header)
        }
    }
}
