import CLinux
import Glibc

/// Small questions and deeds of the file system, by path, in places that only shipit's owner can write.
enum FileSystem {
    static func status(_ path: String) -> stat? {
        var status = stat()
        return stat(path, &status) == 0 ? status : nil
    }

    static func linkStatus(_ path: String) -> stat? {
        var status = stat()
        return lstat(path, &status) == 0 ? status : nil
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    static func isFolder(_ path: String) -> Bool { status(path).map { $0.st_mode & S_IFMT == S_IFDIR } ?? false }

    /// The whole file, or nil when there is none.
    static func read(_ path: String, limit: Int = 16 << 20) throws -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw ShipitError(.failure, "could not read \(path): \(systemReason(errno))")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw ShipitError(.failure, "could not read \(path): it is not a regular file")
        }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw ShipitError(.failure, "could not read \(path): \(systemReason(errno))") }
            if count == 0 { return bytes }
            bytes += buffer[..<count]
            guard bytes.count <= limit else {
                throw ShipitError(.failure, "could not read \(path): it is larger than \(limit) bytes")
            }
        }
    }

    static func readText(_ path: String, limit: Int = 16 << 20) throws -> String? {
        try read(path, limit: limit).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Writes aside, syncs the file, renames, syncs the folder: after a power cut it is the old file or the new one.
    static func write(_ path: String, _ bytes: [UInt8], mode: mode_t, sync: Bool = true, syncFolder: Bool = true) throws
    {
        let aside = "\(path).aside-\(getpid())"
        unlink(aside)
        let descriptor = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)
        func failed(_ what: String) -> ShipitError {
            let code = errno
            unlink(aside)
            return ShipitError(.failure, "could not \(what) \(path): \(systemReason(code))")
        }
        guard descriptor >= 0 else { throw failed("write") }
        defer { close(descriptor) }
        fchmod(descriptor, mode)
        var offset = 0
        while offset < bytes.count {
            let count = bytes[offset...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failed("write") }
            offset += count
        }
        if sync, fsync(descriptor) != 0 { throw failed("sync") }
        guard rename(aside, path) == 0 else { throw failed("rename") }
        if sync, syncFolder { try self.syncFolder(of: path) }
    }

    static func syncFile(_ path: String) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw ShipitError(.failure, "could not open \(path): \(systemReason(errno))") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else {
            throw ShipitError(.failure, "could not sync \(path): \(systemReason(errno))")
        }
    }

    static func syncFolder(of path: String) throws {
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw ShipitError(.failure, "could not open \(folder): \(systemReason(errno))") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else {
            throw ShipitError(.failure, "could not sync \(folder): \(systemReason(errno))")
        }
    }

    static func names(in folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = Glibc.readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    static func realPath(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// Bytes that an unprivileged writer may still use.
    static func freeSpace(_ path: String) -> Int64? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        return Int64(status.f_bavail) * Int64(status.f_frsize)
    }
}
