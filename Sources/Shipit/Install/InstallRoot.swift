import ArtifactKit
import CLinux
import Glibc

/// What an appspec's destinations are relative to: `/`, or a folder that nothing leaves.
///
/// Links on the way are followed as the machine has them, but for a folder as if it were the root: an absolute link in it
/// begins there. Not Sendable: it stays where it was opened.
final class InstallRoot {
    /// Without a slash at its end, so that a path is this, a slash and the rest; empty for `/`.
    let path: String
    /// What it will be called, if it is not there yet.
    private let name: String
    private let descriptor: Int32

    /// `shownAs`: what people know it by, when it is made aside.
    init(_ path: String, shownAs name: String? = nil) throws {
        self.path = path == "/" ? "" : path
        self.name = name ?? self.path
        descriptor = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw ShipitError(.failure, "could not open \(visibleLine(path)): \(systemReason(errno))")
        }
    }

    /// A folder to which somebody else may write: there is no link anywhere in its path, and it is made if it is missing,
    /// for the owner of the folder that it is in.
    init(real path: String) throws {
        self.path = path == "/" ? "" : path
        name = self.path
        descriptor = try Self.openReal(path)
    }

    private static func openReal(_ path: String) throws -> Int32 {
        let flags = UInt64(O_PATH | O_DIRECTORY | O_CLOEXEC)
        let resolve = LINUX_RESOLVE_NO_SYMLINKS | LINUX_RESOLVE_NO_MAGICLINKS
        let there = linux_openat2(AT_FDCWD, path, flags, 0, resolve)
        if there >= 0 { return there }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/"), path != "/" else {
            let code = errno
            let hint = code == ELOOP ? "there is a link in it: name its real path, which realpath prints" : nil
            throw ShipitError(.failure, "could not open \(visibleLine(path)): \(systemReason(code))", hint: hint)
        }
        let above = slash == path.startIndex ? "/" : String(path[..<slash])
        let parent = try openReal(above)
        defer { close(parent) }
        let name = String(path[path.index(after: slash)...])
        let isNew = mkdirat(parent, name, 0o755) == 0
        guard isNew || errno == EEXIST else {
            throw ShipitError(.failure, "could not make \(visibleLine(path)): \(systemReason(errno))")
        }
        let made = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard made >= 0 else {
            throw ShipitError(.failure, "could not open \(visibleLine(path)): \(systemReason(errno))")
        }
        guard isNew else { return made }
        var status = stat()
        if geteuid() == 0, fstat(parent, &status) == 0, status.st_uid != 0 {
            fchown(made, status.st_uid, status.st_gid)
        }
        fchmod(made, 0o755)
        return made
    }

    deinit { close(descriptor) }

    /// As people and other programs name it.
    func absolute(_ relative: [UInt8]) -> String { "\(path)/\(String(decoding: relative, as: UTF8.self))" }

    func shown(_ relative: [UInt8]) -> String { visibleLine(visible(Array("\(name)/".utf8) + relative)) }

    /// What is at a path; `following` a link at its end. Nil when there is nothing.
    func status(_ relative: [UInt8], following: Bool) throws -> stat? {
        let flags = O_PATH | (following ? 0 : O_NOFOLLOW)
        let place = openInside(relative, flags)
        guard place >= 0 else {
            switch errno {
            case ENOENT, ENOTDIR: return nil
            // A link that leads to itself, or out of the folder, leads nowhere.
            case ELOOP, EXDEV: return nil
            default: throw failure("look at", relative)
            }
        }
        defer { close(place) }
        var status = stat()
        guard fstat(place, &status) == 0 else { throw failure("look at", relative) }
        return status
    }

    /// A link that leads to a folder is one.
    func isFolder(_ relative: [UInt8]) throws -> Bool {
        if relative.isEmpty { return true }
        return try status(relative, following: true).map { $0.st_mode & S_IFMT == S_IFDIR } ?? false
    }

    /// Where a file really is, all links followed; nil when there is no regular file inside.
    func realFile(_ relative: [UInt8]) throws -> String? {
        guard try status(relative, following: true).map({ $0.st_mode & S_IFMT == S_IFREG }) ?? false else { return nil }
        let file = try openFile(relative, O_PATH, what: "look at")
        defer { close(file) }
        return FileSystem.realPath("/proc/self/fd/\(file)")
    }

    /// Where a link leads, word for word.
    func link(_ relative: [UInt8]) throws -> [UInt8] {
        try withParent(of: relative, "read") { folder, name in
            var buffer = [CChar](repeating: 0, count: 4097)
            let count = readlinkat(folder, name, &buffer, 4096)
            guard count > 0 else { throw failure("read", relative) }
            return buffer[..<count].map { UInt8(bitPattern: $0) }
        }
    }

    /// Hands over the open folder that has the last name of a path, and that name.
    func withParent<Result>(
        of relative: [UInt8], _ what: String, _ body: (Int32, UnsafePointer<CChar>) throws -> Result
    ) throws -> Result {
        let (above, name) = relative.splitAtLastSlash
        let folder = openInside(above, O_PATH | O_DIRECTORY)
        guard folder >= 0 else { throw failure(what, relative) }
        defer { close(folder) }
        return try (name.map { CChar(bitPattern: $0) } + [0]).withUnsafeBufferPointer { buffer in
            guard let start = buffer.baseAddress else { throw failure(what, relative) }
            return try body(folder, start)
        }
    }

    /// Without making it.
    func openFile(_ relative: [UInt8], _ flags: Int32, what: String) throws -> Int32 {
        let file = openInside(relative, flags)
        guard file >= 0 else { throw failure(what, relative) }
        return file
    }

    private func openInside(_ relative: [UInt8], _ flags: Int32) -> Int32 {
        let how = UInt64(UInt32(bitPattern: flags | O_CLOEXEC))
        let path = relative.isEmpty ? Array(".".utf8) : relative
        return (path.map { CChar(bitPattern: $0) } + [0]).withUnsafeBufferPointer { buffer in
            guard let start = buffer.baseAddress else { return -1 }
            var number: Int32
            // EAGAIN: somebody renamed something meanwhile.
            var attempts = 0
            repeat {
                number = linux_openat2(descriptor, start, how, 0, LINUX_RESOLVE_IN_ROOT | LINUX_RESOLVE_NO_MAGICLINKS)
                attempts += 1
            } while number < 0 && (errno == EINTR || errno == EAGAIN) && attempts < 1000
            return number
        }
    }

    func failure(_ what: String, _ relative: [UInt8], _ code: Int32 = errno) -> ShipitError {
        ShipitError(.failure, "could not \(what) \(shown(relative)): \(systemReason(code))")
    }
}

extension [UInt8] {
    /// The folder, which is empty for a name alone, and the last name.
    var splitAtLastSlash: (above: [UInt8], name: [UInt8]) {
        guard let slash = lastIndex(of: UInt8(ascii: "/")) else { return ([], self) }
        return (Array(self[..<slash]), Array(self[(slash + 1)...]))
    }

    /// Each folder above a path, from the outermost.
    var foldersAbove: [[UInt8]] {
        indices.filter { self[$0] == UInt8(ascii: "/") }.map { Array(self[..<$0]) }
    }

    func joined(_ name: [UInt8]) -> [UInt8] {
        isEmpty ? name : name.isEmpty ? self : self + [UInt8(ascii: "/")] + name
    }

    /// The rest of a path below a folder; nil when it is not below it.
    func below(_ folder: [UInt8]) -> [UInt8]? {
        if folder.isEmpty { return isEmpty ? nil : self }
        guard count > folder.count + 1, starts(with: folder), self[folder.count] == UInt8(ascii: "/") else {
            return nil
        }
        return Array(self[(folder.count + 1)...])
    }
}
