import Glibc

/// Goes through the names in an open folder, in the order the file system likes.
final class Listing {
    private let stream: OpaquePointer

    /// Opens the folder again, so that the given descriptor keeps its place.
    init(of folder: Int32) throws(SystemFailure) {
        let number = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else { throw SystemFailure(number: errno) }
        guard let stream = fdopendir(number) else {
            let failure = SystemFailure(number: errno)
            close(number)
            throw failure
        }
        self.stream = stream
    }

    deinit {
        closedir(stream)
    }

    /// nil at the end; `.` and `..` are left out.
    func next() throws(SystemFailure) -> (name: [UInt8], kind: Status.Kind)? {
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                guard errno == 0 else { throw SystemFailure(number: errno) }
                return nil
            }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name.elementsEqual(".".utf8) || name.elementsEqual("..".utf8) { continue }
            guard let kind = try kind(of: name, type: entry.pointee.d_type) else { continue }
            return (name, kind)
        }
    }

    /// nil if it went away while we looked.
    private func kind(of name: [UInt8], type: UInt8) throws(SystemFailure) -> Status.Kind? {
        if type != UInt8(DT_UNKNOWN) { return Status.Kind(mode: mode_t(type) << 12) }
        var status = stat()
        guard name.withCPath({ fstatat(dirfd(stream), $0, &status, AT_SYMLINK_NOFOLLOW) }) == 0 else {
            if errno == ENOENT { return nil }
            throw SystemFailure(number: errno)
        }
        return Status.Kind(mode: status.st_mode)
    }
}
