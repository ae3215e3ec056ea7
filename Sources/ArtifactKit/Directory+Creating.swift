import Glibc

extension Directory {
    /// The folder above must exist, and this one must not; the mode is exact whatever the umask.
    public func makeDirectory(_ path: [UInt8], mode: UInt16 = 0o755) throws {
        try withParent(of: path, what: "make the folder") { folder, name in
            do throws(SystemFailure) { _ = try makeFolder(name, in: folder, mode: mode) } catch {
                throw error.named("make the folder", shown(path))
            }
        }
    }

    /// Makes it and the folders above it where they are missing, with mode 0755; what is there stays as it is.
    public func makeDirectories(_ path: [UInt8]) throws {
        try PathRules.check(path)
        var folder = handle
        for component in path.split(separator: UInt8(ascii: "/")) {
            folder = try component.withCPath { name in
                do throws(SystemFailure) { return try makeFolder(name, in: folder.number, mode: 0o755) } catch {
                    guard error.number == EEXIST else { throw error.named("make the folder", shown(path)) }
                }
                let number = openat(folder.number, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                guard number >= 0 else { throw failure(errno, "make the folder", path) }
                return Descriptor(number)
            }
        }
    }

    /// A new file: there must be nothing of that name, and the mode is exact, without set-user-id and its like.
    public func createFile(_ path: [UInt8], mode: UInt16 = 0o644) throws -> FileWriter {
        try withParent(of: path, what: "create") { folder, name in
            do throws(SystemFailure) {
                return FileWriter(try makeFile(name, in: folder, mode: mode)) { [self] in shown(path) }
            } catch {
                throw error.named("create", shown(path))
            }
        }
    }

    /// The target is taken as it is; whether it may lead there is the caller's to know.
    public func createLink(_ path: [UInt8], target: [UInt8]) throws {
        try withParent(of: path, what: "create the link") { folder, name in
            guard !target.contains(0), target.withCPath({ symlinkat($0, folder, name) }) == 0 else {
                throw failure(target.contains(0) ? EINVAL : errno, "create the link", path)
            }
        }
    }
}

/// Makes a folder and opens it.
func makeFolder(_ name: UnsafePointer<CChar>, in folder: Int32, mode: UInt16) throws(SystemFailure) -> Descriptor {
    guard mkdirat(folder, name, 0o700) == 0 else { throw SystemFailure(number: errno) }
    let number = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard number >= 0 else { throw SystemFailure(number: errno) }
    let made = Descriptor(number)
    guard fchmod(made.number, mode_t(mode & 0o777)) == 0 else { throw SystemFailure(number: errno) }
    return made
}

/// Makes an empty file that nothing can have planted.
func makeFile(
    _ name: UnsafePointer<CChar>, in folder: Int32, mode: UInt16, access: Int32 = O_WRONLY
) throws(SystemFailure) -> Descriptor {
    let flags = access | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
    let number = retrying { openat(folder, name, flags, 0o600) }
    guard number >= 0 else { throw SystemFailure(number: errno) }
    let file = Descriptor(number)
    guard fchmod(number, mode_t(mode & 0o777)) == 0 else { throw SystemFailure(number: errno) }
    return file
}
