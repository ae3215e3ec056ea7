import CLinux
import Glibc

/// An open spool folder; every name in it is taken relative to the open descriptor and never followed.
final class SpoolFolder {
    private let path: String
    private let descriptor: Int32

    init(opening path: String) throws(SpoolError) {
        self.path = path
        descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system(operation: "open the spool", path: path, code: errno) }
    }

    deinit { close(descriptor) }

    /// Where it is: two folders of one device share a journal.
    var device: UInt64 {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? UInt64(status.st_dev) : 0
    }

    /// A file without a name, where the file system has such, so that nothing is left of it if we die; else one that is
    /// called `temporary`. Readable by the folder's group whatever the pusher's umask, since the home's owner may be
    /// somebody else.
    func make(_ bytes: [UInt8], temporary name: String) throws(SpoolError) -> (file: Int32, isNamed: Bool) {
        var file = linux_open_unnamed(descriptor, 0o640)
        let isNamed = file < 0
        if isNamed {
            file = openat(descriptor, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o640)
        }
        guard file >= 0 else { throw failure("create", name) }
        do throws(SpoolError) {
            try write(bytes, to: file, name)
            guard fchmod(file, 0o640) == 0 else { throw failure("set the mode of", name) }
        } catch {
            close(file)
            if isNamed { discard(name) }
            throw error
        }
        return (file, isNamed)
    }

    func link(_ file: Int32, as name: String) throws(SpoolError) {
        guard linux_link_descriptor(file, descriptor, name) == 0 else { throw failure("name", name) }
    }

    func rename(_ name: String, to new: String) throws(SpoolError) {
        guard renameat(descriptor, name, descriptor, new) == 0 else { throw failure("rename", name) }
    }

    func synchronize() throws(SpoolError) {
        guard fsync(descriptor) == 0 else {
            throw .system(operation: "make durable", path: path, code: errno)
        }
    }

    func read(_ name: String) throws(SpoolError) -> (bytes: [UInt8], uid: UInt32) {
        let file = openat(descriptor, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else { throw failure("open", name) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw failure("look at", name) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw .notARegularFile(path: "\(path)/\(name)") }
        guard status.st_size <= Push.maximumEncodedSize else { throw .tooLarge(size: Int(status.st_size)) }
        return (try contents(of: file, size: Int(status.st_size), name), status.st_uid)
    }

    /// False if there was no such file.
    func remove(_ name: String) throws(SpoolError) -> Bool {
        guard unlinkat(descriptor, name, 0) != 0 else { return true }
        guard errno == ENOENT else { throw failure("remove", name) }
        return false
    }

    /// For files that matter to nobody: what cannot be removed now is a leftover that a later clean-up finds.
    func discard(_ name: String) { unlinkat(descriptor, name, 0) }

    /// Seconds since the file was last written; nil if it is gone.
    func age(of name: String) -> Int? {
        var status = stat()
        guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return nil }
        return time(nil) &- status.st_mtim.tv_sec
    }

    func names() throws(SpoolError) -> [String] {
        let copy = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0 else { throw failure("open", ".") }
        guard let stream = fdopendir(copy) else {
            close(copy)
            throw failure("list", ".")
        }
        defer { closedir(stream) }
        var names: [String] = []
        errno = 0
        while let entry = readdir(stream) {
            names.append(Self.name(of: entry))
            errno = 0
        }
        guard errno == 0 else { throw failure("list", ".") }
        return names
    }

    /// Names that are not UTF-8 come out changed, and then are no id.
    private static func name(of entry: UnsafeMutablePointer<dirent>) -> String {
        withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    private func write(_ bytes: [UInt8], to file: Int32, _ name: String) throws(SpoolError) {
        var done = 0
        while done < bytes.count {
            let count = bytes[done...].withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            guard count >= 0 || errno == EINTR else { throw failure("write", name) }
            done += max(count, 0)
        }
    }

    /// A file that grows while it is read gives no more than its size at the start.
    private func contents(of file: Int32, size: Int, _ name: String) throws(SpoolError) -> [UInt8] {
        var code: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, done in
            while done < size {
                let count = Glibc.read(file, buffer.baseAddress.map { $0 + done }, size - done)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else {
                    code = count < 0 ? errno : 0
                    return
                }
                done += count
            }
        }
        guard code == 0 else { throw .system(operation: "read", path: "\(path)/\(name)", code: code) }
        return bytes
    }

    func failure(_ operation: String, _ name: String) -> SpoolError {
        .system(operation: operation, path: "\(path)/\(name)", code: errno)
    }
}
