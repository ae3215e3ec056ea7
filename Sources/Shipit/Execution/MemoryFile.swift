import CLinux
import Glibc

/// Bytes that a program may read as a file or as its standard input, without a file on any disk; gone with this object.
final class MemoryFile {
    private let descriptor: Int32

    init(_ bytes: [UInt8]) throws {
        descriptor = linux_memfd_create("shipit")
        guard descriptor >= 0 else {
            throw ShipitError(.failure, "could not make a file in memory: \(systemReason(errno))")
        }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else {
                let code = errno
                close(descriptor)
                throw ShipitError(.failure, "could not fill a file in memory: \(systemReason(code))")
            }
            rest = rest.dropFirst(count)
        }
        lseek(descriptor, 0, SEEK_SET)
    }

    deinit { close(descriptor) }

    /// By which another program of ours can open it while it is there.
    var path: String { "/proc/\(getpid())/fd/\(descriptor)" }

    /// Another descriptor of the same file, for whoever closes it.
    func copy() throws -> Int32 {
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
        guard copy >= 0 else { throw ShipitError(.failure, "could not copy a descriptor: \(systemReason(errno))") }
        return copy
    }
}
