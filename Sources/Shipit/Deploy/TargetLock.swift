import CLinux
import Glibc

/// The lock of a target for those who tidy it: taken without waiting, and its token left as it is.
final class TargetLock {
    private let descriptor: Int32
    /// The highest token that the target has seen.
    let token: Int64

    /// Nil while a deployment holds the target.
    init?(taking path: String) throws {
        let descriptor = open("\(path)/.shipit/lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else {
            throw ShipitError(.failure, "could not open the lock of \(path): \(systemReason(errno))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            return nil
        }
        self.descriptor = descriptor
        var buffer = [UInt8](repeating: 0, count: 32)
        let count = pread(descriptor, &buffer, buffer.count, 0)
        token = Int64(String(decoding: buffer[..<max(0, count)], as: UTF8.self).filter { $0.isNumber }) ?? 0
    }

    deinit {
        // Closing alone is not enough: a child that is just being started has the same open file until it runs its
        // program, and the lock with it.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}
