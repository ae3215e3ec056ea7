import Foundation
import GitKit
import Shipit

/// Shows what happens to runs, line by line, until they end or wait for a person; leaving changes nothing.
struct Follower {
    let installation: Installation
    let terminal: Terminal
    /// `shipit: ` before the lines of a push, where other programs speak too.
    var prefix = ""
    /// Whoever follows asked for the end of it, so that is no error.
    var isCancelling = false

    /// Follows until every run has ended or waits; gives the exit status that the worst of them stands for.
    ///
    /// `cursor`: the last event that is not shown any more.
    func follow(_ runs: [Int64], after cursor: Int64 = 0) async throws -> Int32 {
        let began = ContinuousClock.now
        let watch = try LedgerWatch(installation)
        var cursor = cursor
        var number = 0
        var shown = Set<Int64>()
        var attention = WorkerAttention(installation: installation)
        for run in runs where shown.insert(run).inserted { try introduce(run) }
        let labels = try labels(of: shown)
        while true {
            // Read first: what the events after it say can then only be more.
            let records = try runs.compactMap { try installation.ledger.run($0) }
            for event in try installation.ledger.events(after: cursor, runs: runs) {
                cursor = event.id
                attention.notice()
                guard Self.isWorthALine(event, first: number == 0) else { continue }
                number += 1
                line(number, ContinuousClock.now - began, (event.run.flatMap { labels[$0] } ?? "") + event.text)
            }
            if try records.allSatisfy({ try installation.ledger.isAtRest($0) }) {
                return try records.map { try conclude($0) }.max() ?? 0
            }
            await watch.wait(.seconds(1))
            attention.wait()
        }
    }

    /// Queueing is news once, since every step queues the next; how it ended is said at the end.
    private static func isWorthALine(_ event: Event, first: Bool) -> Bool {
        switch event.kind {
        case .runCreated: false
        case .jobQueued: first
        case .jobFailed, .jobErrored, .jobCancelled, .jobSuperseded, .jobWaiting: false
        default: true
        }
    }

    private func introduce(_ id: Int64) throws {
        guard let record = try installation.ledger.run(id) else { return }
        let run = record.run
        var what = "run \(run.id) of \(run.app): \(run.kind.rawValue) \(run.revision.abbreviated())"
        if let reference = run.reference {
            what =
                "run \(run.id) of \(run.app): \(ReferenceName(escaped: reference).short) at \(run.revision.abbreviated())"
        }
        if record.isEmergency { what += " EMERGENCY" }
        if let entry = run.entry { what += ", to \(entry)" }
        if let goal = run.goal { what += ", up to \(goal)" }
        if let subject = Subjects.of(run.revision, in: installation, run.app) {
            what += (run.entry ?? run.goal) == nil ? " \(subject)" : ": \(subject)"
        }
        terminal.say(prefix + what)
    }

    /// What lines begin with where one push makes several runs: the app, or the run where two are of one app.
    private func labels(of runs: Set<Int64>) throws -> [Int64: String] {
        guard runs.count > 1 else { return [:] }
        let apps = try runs.compactMap { try installation.ledger.run($0)?.run }
        let isOneEach = Set(apps.map(\.app)).count == apps.count
        return Dictionary(apps.map { ($0.id, isOneEach ? "\($0.app): " : "run \($0.id): ") }) { first, _ in first }
    }

    private func line(_ number: Int, _ time: Duration, _ text: String) {
        let seconds = (time.inSeconds * 10).rounded() / 10
        let clock = String(repeating: " ", count: max(0, 6 - "\(seconds)".count)) + "\(seconds) s"
        let count = String(repeating: " ", count: max(0, 2 - "\(number)".count)) + "\(number)"
        terminal.say("\(prefix)\(count) \(clock)  \(text)")
    }

    /// Says the verdict and what to type next; gives the exit status.
    private func conclude(_ record: RunRecord) throws -> Int32 {
        let run = record.run
        guard let job = record.jobs.last else { return 2 }
        switch record.status {
        case .succeeded: return 0
        case .cancelled where isCancelling:
            terminal.say("run \(run.id) was cancelled: \(job.name): \(job.reason ?? "no reason was recorded")")
            return 0
        case .waiting:
            let waiting = Waiting(job)
            for line in waiting.lines("run \(run.id) waits: \(job.name)", ", ") { terminal.say(prefix + line) }
            if job.waits == .promotion {
                let flag = Options.flag(run.app, installation)
                terminal.say("\(prefix)next: shipit plan\(flag), then shipit promote\(flag)")
            }
            return 0
        default:
            terminal.say(
                "\(prefix)error: run \(run.id) \(record.status.rawValue): \(job.name): \(job.reason ?? "no reason was recorded")"
            )
            if record.status == .failed || record.status == .errored {
                try showEnd(of: job)
                terminal.say(
                    "\(prefix)  hint: shipit log \(run.id) shows all of it; shipit retry \(run.id) tries again")
            }
            switch record.status {
            case .errored: return 2
            case .superseded: return 75
            default: return 1
            }
        }
    }

    /// The last lines of a failed job's output, so that nobody has to look for them.
    private func showEnd(of job: Job) throws {
        let path = installation.home.log(job.run, job.name)
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return }  // no log, nothing to show
        for line in text.split(separator: "\n").suffix(15) { terminal.say("\(prefix)  \(line)") }
    }
}

/// The subject line of a commit, as far as the repository still has it.
enum Subjects {
    static func of(_ revision: Revision, in installation: Installation, _ app: String) -> String? {
        // A subject is an ornament: no repository, no subject.
        guard let commit = try? installation.app(app).repository().commit(revision) else { return nil }
        let subject = visibleLine(commit.summary)
        return subject.count > 60 ? "\(subject.prefix(57))..." : subject
    }
}

/// References as people call them.
enum ReferenceNames {
    static func short(_ escaped: String) -> String { ReferenceName(escaped: escaped).short }
}
