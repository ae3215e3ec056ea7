import CLinux
import Glibc

/// Bytes that a child may read as its standard input, however many, without a file on any disk.
final class MemoryFile {
    let descriptor: Int32

    init(containing bytes: [UInt8]) throws(SystemError) {
        descriptor = linux_memfd_create("shipit-input")
        guard descriptor >= 0 else { throw SystemError(operation: "make a file in memory", code: errno) }
        var done = 0
        while done < bytes.count {
            let count = bytes[done...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 || errno == EINTR else {
                throw SystemError(operation: "fill a file in memory", code: errno)
            }
            done += max(count, 0)
        }
        lseek(descriptor, 0, SEEK_SET)
    }

    deinit { close(descriptor) }
}
