import CLinux
import Glibc

/// Watches one program from a thread: moves its output, keeps its deadline, and stops what must not outlive it.
final class Supervisor {
    struct Report: Sendable {
        var stopped: Outcome.Stop?
        var outputHeldBy: [Int32] = []
    }

    /// The read end of a pipe that the program writes to, and who gets what comes.
    struct Output {
        let descriptor: Int32
        let sink: (UnsafeRawBufferPointer) -> Void
    }

    private let pid: pid_t
    private var outputs: [Output]
    private let stop: Int32
    private let deadline: ContinuousClock.Instant
    private let mark: String?
    private var report = Report()

    init(pid: pid_t, outputs: [Output], stop: Int32, deadline: ContinuousClock.Instant, mark: String?) {
        self.pid = pid
        self.outputs = outputs
        self.stop = stop
        self.deadline = deadline
        self.mark = mark
    }

    /// Returns once the program has ended and its output is closed or given up; the caller reaps the program.
    func watch() -> Report {
        // Readable when the program has ended, also before it was reaped.
        let process = linux_pidfd_open(pid)
        defer { if process >= 0 { close(process) } }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
        defer { buffer.deallocate() }

        var ended = process < 0
        var endedAt: ContinuousClock.Instant?
        var killAt: ContinuousClock.Instant?
        while !ended || !outputs.isEmpty {
            let now = ContinuousClock.now
            if ended, endedAt == nil { endedAt = now }
            if report.stopped == nil, !ended, now >= deadline {
                report.stopped = .timedOut
                terminate()
                killAt = now + Program.grace
            }
            if let at = killAt, now >= at {
                kill()
                killAt = nil
            }
            if let endedAt, !outputs.isEmpty, let patience = outputPatience(now, since: endedAt), patience <= .zero {
                if report.stopped == nil { report.outputHeldBy = holders() }
                break
            }
            var polls = [
                pollfd(fd: ended ? -1 : process, events: Int16(POLLIN), revents: 0),
                pollfd(fd: report.stopped == nil ? stop : -1, events: Int16(POLLIN), revents: 0),
            ]
            polls += outputs.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
            let count = poll(&polls, nfds_t(polls.count), wait(now, ended ? nil : deadline, killAt, endedAt))
            if count < 0 { continue }
            outputs = zip(outputs, polls.dropFirst(2)).filter { output, poll in
                guard poll.revents != 0 else { return true }
                let count = read(output.descriptor, buffer.baseAddress, buffer.count)
                if count > 0 { output.sink(UnsafeRawBufferPointer(rebasing: buffer[..<count])) }
                return count > 0 || count < 0 && (errno == EINTR || errno == EAGAIN)
            }.map(\.0)
            if polls[0].revents != 0 { ended = true }
            if polls[1].revents != 0, report.stopped == nil {
                report.stopped = .cancelled
                if ended { continue }
                terminate()
                killAt = ContinuousClock.now + Program.grace
            }
        }
        if report.stopped != nil { kill() }
        return report
    }

    private func holders() -> [Int32] {
        Set(outputs.flatMap { ProcessSweep.holders(of: $0.descriptor) }).sorted()
    }

    private func outputPatience(_ now: ContinuousClock.Instant, since endedAt: ContinuousClock.Instant) -> Duration? {
        (report.stopped == nil ? Program.outputGrace : .seconds(1)) - (now - endedAt)
    }

    /// Milliseconds until something is due by the clock.
    private func wait(
        _ now: ContinuousClock.Instant, _ deadline: ContinuousClock.Instant?, _ killAt: ContinuousClock.Instant?,
        _ endedAt: ContinuousClock.Instant?
    ) -> Int32 {
        var due: [Duration] = []
        if let deadline, report.stopped == nil { due.append(deadline - now) }
        if let killAt { due.append(killAt - now) }
        if let endedAt, let patience = outputPatience(now, since: endedAt) { due.append(patience) }
        guard let next = due.min() else { return -1 }
        return Int32(clamping: Int64((next.inSeconds * 1000).rounded(.up)).clamped(to: 1...3_600_000))
    }

    private func terminate() {
        Glibc.kill(-pid, SIGTERM)
        if let mark { ProcessSweep.signal(SIGTERM, marked: mark) }
    }

    private func kill() {
        Glibc.kill(-pid, SIGKILL)
        if let mark { ProcessSweep.end(marked: mark) }
    }
}

extension Int64 {
    fileprivate func clamped(to range: ClosedRange<Int64>) -> Int64 {
        Swift.min(Swift.max(self, range.lowerBound), range.upperBound)
    }
}
