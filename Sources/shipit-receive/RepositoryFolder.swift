import CLinux
import Glibc

/// The git directory that was pushed to, held open.
final class RepositoryFolder {
    /// Absolute and real, as bytes.
    let path: [UInt8]
    let descriptor: Int32

    /// Git sets GIT_DIR, to a path that is relative to our working directory.
    init() throws(SystemError) {
        let given = Variable.value("GIT_DIR") ?? [UInt8(ascii: ".")]
        guard let real = realpath(given.map { CChar(bitPattern: $0) } + [0], nil) else {
            throw SystemError(operation: "find the repository", code: errno)
        }
        defer { free(real) }
        path = Array(UnsafeRawBufferPointer(start: real, count: strlen(real)))
        descriptor = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemError(operation: "open the repository", code: errno) }
    }

    deinit { close(descriptor) }

    /// Git makes the changed files durable at best, but not the folders that name them.
    func makeDurable() throws(SystemError) {
        guard linux_syncfs(descriptor) == 0 else {
            throw SystemError(operation: "make the repository durable", code: errno)
        }
    }

    /// Whether references are plain files below `refs`, as far as we dare to tell; if not, git must write them.
    var keepsReferencesAsFiles: Bool {
        guard faccessat(descriptor, "commondir", F_OK, 0) != 0, let settings = configuration else { return false }
        let word = Array("refstorage".utf8)
        return !settings.indices.contains { start in
            settings[start...].lazy.map { $0 | 0x20 }.starts(with: word)
        }
    }

    /// The first mebibyte of the repository's own config file, where git wants extensions to stand.
    private var configuration: [UInt8]? {
        let file = openat(descriptor, "config", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = read(file, &bytes, bytes.count)
        return count >= 0 && count < bytes.count ? Array(bytes[..<count]) : nil
    }
}
