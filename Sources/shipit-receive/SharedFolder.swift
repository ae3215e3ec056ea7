import CLinux
import Glibc

/// A folder below `refs`, and the mode and owner that git's `core.sharedRepository` gave to that.
final class SharedFolder {
    private let descriptor: Int32
    private let model: stat

    init(opening name: String, in parent: Int32) throws(SystemError) {
        descriptor = try Self.open(name, in: parent)
        var model = stat()
        fstat(descriptor, &model)
        self.model = model
    }

    private init(descriptor: Int32, model: stat) {
        self.descriptor = descriptor
        self.model = model
    }

    deinit { close(descriptor) }

    /// The folder of this name, made if there is none.
    func folder(_ name: String) throws(SystemError) -> SharedFolder {
        if mkdirat(descriptor, name, model.st_mode & 0o777) == 0 {
            let made = SharedFolder(descriptor: try Self.open(name, in: descriptor), model: model)
            made.adjust(made.descriptor, mode: model.st_mode & 0o7777)
            return made
        }
        guard errno == EEXIST else { throw SystemError(operation: "make the folder \(name)", code: errno) }
        return SharedFolder(descriptor: try Self.open(name, in: descriptor), model: model)
    }

    /// A file that has no name yet, so that nothing is left of it if we die; nil when there is one of that name.
    func makeFile(named name: String, content: [UInt8]) throws(SystemError) -> Int32? {
        guard faccessat(descriptor, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 else { return nil }
        let file = linux_open_unnamed(descriptor, 0o600)
        guard file >= 0 else { throw SystemError(operation: "make a reference", code: errno) }
        guard write(file, content, content.count) == content.count else {
            let code = errno
            close(file)
            throw SystemError(operation: "write a reference", code: code == 0 ? ENOSPC : code)
        }
        adjust(file, mode: model.st_mode & 0o666)
        _ = linux_start_writing(file)
        return file
    }

    /// Gives a file its name once its content would survive a power cut, and closes it.
    func name(_ file: Int32, _ name: String) throws(SystemError) {
        defer { close(file) }
        guard fsync(file) == 0 else { throw SystemError(operation: "make a reference durable", code: errno) }
        guard linux_link_descriptor(file, descriptor, name) == 0 || errno == EEXIST else {
            throw SystemError(operation: "name a reference", code: errno)
        }
    }

    func sync() throws(SystemError) {
        guard fsync(descriptor) == 0 else { throw SystemError(operation: "make references durable", code: errno) }
    }

    /// As git does it: best effort, since only an owner may.
    private func adjust(_ item: Int32, mode: mode_t) {
        if geteuid() == 0 { fchown(item, model.st_uid, model.st_gid) }
        fchmod(item, mode)
    }

    private static func open(_ name: String, in parent: Int32) throws(SystemError) -> Int32 {
        let descriptor = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemError(operation: "open the folder \(name)", code: errno) }
        return descriptor
    }
}
