import CLibarchive

/// What libarchive says went wrong, in one line that cannot be forged by a name.
func libarchiveReason(_ archive: OpaquePointer) -> String {
    guard let text = archive_error_string(archive) else { return "libarchive error \(archive_errno(archive))" }
    let words = visible(Array(String(cString: text).utf8.prefix(300)))
    return words.prefix(1).lowercased() + words.dropFirst()
}

extension TarballReader {
    /// The version of libarchive that is at work: `libarchive 3.6.2`.
    public static var libraryVersion: String { String(cString: archive_version_string()) }
}
