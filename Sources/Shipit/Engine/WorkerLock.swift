import CLinux
import Glibc

/// The right to work for a home: a kernel lock that dies with its holder. At most one process has it.
final class WorkerLock {
    private let descriptor: Int32

    /// How long a holder may be silent before it is taken for stuck.
    static let patience: Int64 = 60_000

    private init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit {
        flock(descriptor, LOCK_UN)  // closing alone is not enough: see TargetLock
        close(descriptor)
    }

    /// Takes the lock; nil while another process works.
    static func take(_ home: Home) throws -> WorkerLock? {
        let descriptor = open(home.workerLock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            throw ShipitError(.failure, "could not open \(home.workerLock): \(systemReason(errno))")
        }
        // The receiving program holds it for microseconds to see whether anybody works.
        for _ in 0..<5 {
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return WorkerLock(descriptor) }
            guard errno == EWOULDBLOCK || errno == EINTR else { break }
            usleep(1000)
        }
        close(descriptor)
        return nil
    }

    static func isHeld(_ home: Home) -> Bool {
        // A lock that cannot be tried is reported by whoever needs it.
        (try? take(home)) == nil
    }

    /// Takes the lock from a holder that has been silent for too long, by killing it: it may only be paused, and a
    /// paused worker must never switch anything.
    static func takeOver(_ installation: Installation) throws -> WorkerLock? {
        if let lock = try take(installation.home) { return lock }
        guard let holder = try installation.ledger.lastWorker(), holder.boot == Boot.id,
            Boot.milliseconds - holder.beat > patience
        else { return nil }
        let process = linux_pidfd_open(holder.pid)
        guard process >= 0 else { return try take(installation.home) }
        defer { close(process) }
        // The descriptor names this process now; only then is its start compared, so that no other one is killed.
        guard ProcessSweep.startTicks(of: holder.pid) == holder.startTicks else { return try take(installation.home) }
        linux_pidfd_send_signal(process, SIGKILL)
        var poll = pollfd(fd: process, events: Int16(POLLIN), revents: 0)
        Glibc.poll(&poll, 1, 5000)
        return try take(installation.home)
    }
}

/// This boot of the machine, and the time since it began.
enum Boot {
    static let id: String = {
        // Without it every worker counts as one of another boot, and nobody is taken over.
        let text = (try? FileSystem.readText("/proc/sys/kernel/random/boot_id", limit: 256)) ?? nil
        return text.map { String($0.prefix { !$0.isNewline }) } ?? ""
    }()

    static var milliseconds: Int64 { linux_nanoseconds(CLOCK_BOOTTIME) / 1_000_000 }
}
