import GitKit
import Logging
import Synchronization

/// What a worker sees to besides jobs: repositories elsewhere, and references that do not show yet what is live.
///
/// Nothing of it keeps a job from its turn.
extension Worker {
    /// Something that is under way.
    enum Chore: Hashable, Sendable {
        case references(app: String)
        case fetch(app: String)
    }

    /// Begins what is due; gives when something is due next.
    func beginUpkeep(_ group: inout ThrowingDiscardingTaskGroup<any Error>) throws -> Timestamp? {
        let upkeep = try installation.ledger.upkeep(at: .now)
        for intent in upkeep.references {
            let chore = Chore.references(app: intent.app)
            // A job that runs sets them when it is over.
            guard !isAtWork(on: intent.app), chores.withLock({ $0.insert(chore).inserted }) else { continue }
            group.addTask { [self] in
                await showState(of: intent.app)
                end(chore)
            }
        }
        for record in upkeep.fetches {
            let chore = Chore.fetch(app: record.app)
            guard chores.withLock({ $0.insert(chore).inserted }) else { continue }
            group.addTask { [self] in
                await fetch(record)
                end(chore)
            }
        }
        return upkeep.next
    }

    private func end(_ chore: Chore) {
        chores.withLock { _ = $0.remove(chore) }
        watch.wake()
    }

    // MARK: References

    /// Brings the app's references and notes to what the ledger says; what fails is tried again later, and stops nothing.
    func showState(of name: String) async {
        let ledger = installation.ledger
        do {
            let intent = try ledger.referenceIntent(of: name)
            do {
                // What failed for a while may have left more behind than the newest.
                try await StateReferences(installation: installation).bringUp(
                    try installation.app(name), allNotes: (intent?.failures ?? 0) > 0)
                if let intent { try ledger.settle(intent) }
            } catch {
                guard let intent, !(error is CancellationError) else { throw error }
                let reason = "\(error)".split(separator: "\n").first.map(String.init) ?? "no reason"
                let wait = Backoff(.seconds(10), atMost: .seconds(600)).pause(after: intent.failures + 1)
                try ledger.postpone(intent, until: .now + wait, because: visibleLine(reason))
                throw error
            }
        } catch {
            logger.warning("the references of \(name) do not show yet what is live: \(error)")
        }
    }

    // MARK: Repositories elsewhere

    private func fetch(_ record: FetchRecord) async {
        do {
            guard let app = try present(record) else { return }
            do {
                guard let remote = app.pipeline.remote else { return }
                try await Mirror(home: installation.home, app: app.name, remote: remote).fetch()
                let known = record.fetchedAt == nil ? try await present(app) : [:]
                try installation.ledger.fetched(
                    record, next: .now + app.pipeline.fetchInterval, known: known)
                fetched.withLock { _ = $0.insert(app.name) }
            } catch {
                guard !(error is CancellationError) else { throw error }
                if (error as? ShipitError)?.code == .busy {
                    try installation.ledger.postpone(record, until: .now + .seconds(5))
                    return
                }
                let wait = Backoff(max(app.pipeline.fetchInterval, .seconds(60)), atMost: .seconds(1800))
                    .pause(after: record.failures + 1)
                let failure = error as? ShipitError
                let reason = (failure?.message ?? "\(error)") + (failure?.hint.map { " (\($0))" } ?? "")
                try installation.ledger.fetchFailed(record, because: visibleLine(reason), next: .now + wait)
                logger.warning("\(record.url) could not be fetched: \(reason)")
            }
        } catch is CancellationError {
            // The worker ends; the next one fetches.
        } catch {
            logger.warning("\(record.url) was not fetched: \(error)")
            // The ledger could not be written, so it is due still; cut short when the worker ends.
            try? await Task.sleep(for: .seconds(5))
        }
    }

    /// The app that is to be fetched from there; nil when its policy has another place now, or cannot be read.
    private func present(_ record: FetchRecord) throws -> App? {
        let app: App
        do {
            app = try installation.app(record.app)
        } catch {
            try installation.ledger.fetchFailed(record, because: "its policy cannot be read", next: .now + .seconds(60))
            return nil
        }
        let url = app.pipeline.remote?.url
        if url == record.url { return app }
        try installation.ledger.expectFetches(url.map { [app.name: $0] } ?? [:], of: [app.name])
        return nil
    }

    /// Apps whose mirrors are new since this was asked last.
    func takeFetched() -> Set<String> {
        fetched.withLock { fetched in
            defer { fetched = [] }
            return fetched
        }
    }

    /// References that are taken as known, since the mirror is new.
    private func present(_ app: App) async throws -> [String: Revision] {
        guard try installation.ledger.references(of: app.name).isEmpty else { return [:] }
        return try await onThread { try app.pipeline.references(of: try app.repository()) }
    }
}

/// How long to wait after failures: twice as long each time.
struct Backoff: Hashable, Sendable {
    let first: Duration
    let most: Duration

    init(_ first: Duration, atMost most: Duration) {
        self.first = first
        self.most = most
    }

    func pause(after failures: Int) -> Duration { min(most, first * (1 << min(max(failures, 1) - 1, 20))) }
}

extension Timestamp {
    static func + (time: Timestamp, duration: Duration) -> Timestamp {
        Timestamp(milliseconds: time.milliseconds + Int64(duration.inSeconds * 1000))
    }
}
