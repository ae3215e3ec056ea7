import Glibc

/// A lock on a file of its own, taken without waiting; it ends with its holder.
final class FileLock: Sendable {
    private let descriptor: Int32

    /// `busy`: what to say when somebody else has it.
    init(_ path: String, busy: String) throws {
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            throw ShipitError(.failure, "could not lock \(visibleLine(path)): \(systemReason(errno))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw ShipitError(.busy, busy)
        }
    }

    deinit {
        flock(descriptor, LOCK_UN)  // closing alone is not enough: see TargetLock
        close(descriptor)
    }
}
