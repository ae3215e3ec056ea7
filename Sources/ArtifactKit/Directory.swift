import CLinux
import Glibc

/// An open folder, and what can be done below it without ever leaving it.
///
/// Paths are relative, plain and made of bytes. No link is followed on the way to them or at their end, wherever it
/// came from and whoever swaps it in meanwhile. Open it where you use it; it is closed when the last reference goes.
public final class Directory {
    let handle: Descriptor

    /// Links in the path itself are followed.
    public init(path: String) throws {
        let number = retrying { Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard number >= 0 else { throw ArtifactError(errno: errno, what: "open", path: visible(Array(path.utf8))) }
        handle = Descriptor(number)
    }

    /// An error when there is a link anywhere in the path, which is absolute: for places that others may write to.
    public init(realPath path: String) throws {
        let flags = UInt64(O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        let resolve = LINUX_RESOLVE_NO_SYMLINKS | LINUX_RESOLVE_NO_MAGICLINKS
        let number = retrying { linux_openat2(AT_FDCWD, path, flags, 0, resolve) }
        guard number >= 0 else { throw ArtifactError(errno: errno, what: "open", path: visible(Array(path.utf8))) }
        handle = Descriptor(number)
    }

    /// Makes it with this mode, and folders above it with 0755, where they are missing; what is there stays as it is.
    public convenience init(creating path: String, mode: UInt16 = 0o755) throws {
        let bytes = Array(path.utf8)
        for end in bytes.indices.dropFirst() where bytes[end] == UInt8(ascii: "/") {
            try Self.makeIfMissing(bytes[..<end], mode: 0o755)
        }
        try Self.makeIfMissing(bytes[...], mode: mode)
        try self.init(path: path)
    }

    init(_ handle: Descriptor) {
        self.handle = handle
    }

    /// The same folder with a descriptor of its own, for another thread.
    convenience init(sharing descriptor: Int32) throws {
        let number = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else { throw ArtifactError(errno: errno, what: "open", path: "a folder again") }
        self.init(Descriptor(number))
    }

    public var descriptor: Int32 { handle.number }

    /// Where the folder is now, for messages only: it may be elsewhere in a moment.
    public var path: String { visible(pathBytes) }

    var pathBytes: [UInt8] {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: PathRules.longestPath) { buffer in
            guard let start = buffer.baseAddress else { return [] }
            let count = Glibc.readlink("/proc/self/fd/\(descriptor)", start, buffer.count)
            return buffer.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }
        }
    }

    public func open(_ relative: [UInt8]) throws -> Directory {
        try PathRules.check(relative)
        return Directory(try openBeneath(relative, O_RDONLY | O_DIRECTORY, what: "open"))
    }

    /// Of the folder itself.
    public func status() throws -> Status {
        do { return try handle.status() } catch { throw error.named("look at", path) }
    }

    /// Waits until the names in this folder are on the disk.
    public func sync() throws {
        do { try handle.sync() } catch { throw error.named("sync", path) }
    }

    /// Waits until everything on this folder's file system is on the disk, other people's files included.
    public func syncFileSystem() throws {
        guard linux_syncfs(descriptor) == 0 else { throw ArtifactError(errno: errno, what: "sync", path: path) }
    }

    /// Bytes that we could still write, which is less than root could.
    public func freeSpace() throws -> Int64 {
        var status = statvfs()
        guard fstatvfs(descriptor, &status) == 0 else {
            throw ArtifactError(errno: errno, what: "look at the free space of", path: path)
        }
        return Int64(clamping: UInt64(status.f_bavail) &* UInt64(status.f_frsize))
    }

    private static func makeIfMissing(_ path: ArraySlice<UInt8>, mode: UInt16) throws {
        let shown = { visible(Array(path)) }
        guard path.withCPath({ mkdir($0, 0o700) }) == 0 else {
            if errno == EEXIST { return }
            throw ArtifactError(errno: errno, what: "make the folder", path: shown())
        }
        let number = path.withCPath { Glibc.open($0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) }
        guard number >= 0 else { throw ArtifactError(errno: errno, what: "open", path: shown()) }
        let made = Descriptor(number)
        guard fchmod(made.number, mode_t(mode & 0o777)) == 0 else {
            throw ArtifactError(errno: errno, what: "set the mode of", path: shown())
        }
    }
}

extension Directory {
    /// The one way down: the kernel refuses links, at the end too, and `..` and jumps through /proc.
    ///
    /// O_NOFOLLOW is left out since with it a link in the place of a folder is reported as a file.
    func openBeneath(_ path: some Collection<UInt8>, _ flags: Int32, what: String) throws -> Descriptor {
        let resolve = LINUX_RESOLVE_BENEATH | LINUX_RESOLVE_NO_SYMLINKS | LINUX_RESOLVE_NO_MAGICLINKS
        let flags = UInt64(UInt32(bitPattern: flags | O_CLOEXEC | O_NOCTTY))
        let number = path.withCPath { path in
            // EAGAIN: somebody renamed something meanwhile, so the kernel is not sure that we stayed inside.
            var number: Int32
            var attempts = 0
            repeat {
                number = retrying { linux_openat2(descriptor, path, flags, 0, resolve) }
                attempts += 1
            } while number < 0 && errno == EAGAIN && attempts < 1000
            return number
        }
        guard number >= 0 else { throw failure(errno, what, path) }
        return Descriptor(number)
    }

    /// Hands over the open folder that has the last component of `path`, and that component.
    func withParent<Result>(
        of path: [UInt8], what: String, _ body: (Int32, UnsafePointer<CChar>) throws -> Result
    ) throws -> Result {
        try PathRules.check(path)
        guard let parent = path.parent else { return try path.withCPath { try body(descriptor, $0) } }
        let folder = try openBeneath(parent, O_RDONLY | O_DIRECTORY, what: what)
        return try path.lastComponent.withCPath { try body(folder.number, $0) }
    }

    func failure(_ number: Int32, _ what: String, _ path: some Collection<UInt8>) -> ArtifactError {
        ArtifactError(errno: number, what: what, path: shown(path))
    }

    func shown(_ relative: some Collection<UInt8>) -> String {
        visible(pathBytes + [UInt8(ascii: "/")] + relative)
    }
}
