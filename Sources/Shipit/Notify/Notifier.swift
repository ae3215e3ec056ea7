import CLinux
import GitKit
import Glibc
import Logging
import Synchronization

/// Tells destinations what happens: each in the order of events, at least once, and none waits for another.
///
/// Beside the worker's work and never part of it: it reads the events that were written, and nothing waits for it.
final class Notifier: Sendable {
    /// After a failure: doubled each time, up to the longest.
    static let shortestPause: Duration = .seconds(1), longestPause: Duration = .seconds(600)
    /// What could not be told for so long is given up.
    static let patience: Duration = .seconds(3 * 86_400)
    /// A worker that has nothing else to do waits this long for the next try.
    static let lingering: Duration = .seconds(30)

    struct Place: Hashable, Sendable {
        let app: String
        let digest: String
    }

    private struct State: Sendable {
        /// Those that are told something right now.
        var busy: Set<Place> = []
        /// How far events were looked at, where that is further than the ledger says.
        var seen: [Place: Int64] = [:]
    }

    private let installation: Installation
    private let logger: Logger
    private let watch: Watch
    private let state = Mutex(State())
    /// Called when something was told or put off.
    private let changed: @Sendable () -> Void

    init(_ installation: Installation, logger: Logger, changed: @escaping @Sendable () -> Void) throws {
        self.installation = installation
        self.logger = logger
        self.changed = changed
        watch = try Watch(installation.home)
    }

    // MARK: What there is to do

    private struct Duty {
        let app: App
        let destination: Destination
        let state: DestinationState

        var place: Place { Place(app: app.name, digest: state.destination) }
    }

    /// Every destination of every policy, with how far it is; new ones are told what happens from now on.
    ///
    /// From when the policy was written that names it, rather than from when a worker looked: what was pushed right
    /// after the change is told.
    private func duties() throws -> [Duty] {
        let apps = installation.apps().apps
        var known = Dictionary(
            try installation.ledger.destinations().map { (Place(app: $0.app, digest: $0.destination), $0) }
        ) { $1 }
        for app in apps {
            for destination in app.pipeline.notify where known[Place(app: app.name, digest: destination.digest)] == nil
            {
                let written = Self.written(installation.home.policy(app.name))
                let cursor = try installation.ledger.lastEvent(notAfter: written)
                try installation.ledger.beginTelling(destination, of: app.name, after: cursor)
                for state in try installation.ledger.destinations(app: app.name) {
                    known[Place(app: state.app, digest: state.destination)] = state
                }
            }
        }
        var duties: [Duty] = []
        for app in apps {
            for destination in app.pipeline.notify {
                guard let state = known.removeValue(forKey: Place(app: app.name, digest: destination.digest)) else {
                    continue
                }
                duties.append(Duty(app: app, destination: destination, state: state))
            }
        }
        // Of an app whose policy cannot be read now nothing is forgotten.
        for state in known.values where apps.contains(where: { $0.name == state.app }) {
            try installation.ledger.stopTelling(state)
        }
        return duties
    }

    private static func written(_ path: String) -> Timestamp {
        // Not when its content was: a file that is copied with its times may seem to be older than it is here.
        guard let time = FileSystem.status(path)?.st_ctim else { return .now }
        return Timestamp(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }

    private func position(_ duty: Duty) -> Int64 {
        max(duty.state.cursor, state.withLock { $0.seen[duty.place] ?? 0 })
    }

    /// When it may be told something; a clock that was set back must not keep it waiting.
    private static func due(_ state: DestinationState) -> Duration {
        guard let next = state.nextTry else { return .zero }
        let rest = Duration.milliseconds(next.milliseconds - Timestamp.now.milliseconds)
        return rest > longestPause ? .zero : max(.zero, rest)
    }

    /// Whether a worker without work may leave: everybody was told, or will not be tried again soon.
    func isIdle() throws -> Bool {
        guard state.withLock({ $0.busy.isEmpty }) else { return false }
        let duties = try duties()
        guard !duties.isEmpty else { return true }
        let last = try installation.ledger.lastEvent()
        return duties.allSatisfy { position($0) >= last || Self.due($0.state) > Self.lingering }
    }

    /// Whether a worker is worth starting, since somebody could be told something now.
    static func isNeeded(_ installation: Installation) throws -> Bool {
        let apps = installation.apps().apps.filter { !$0.pipeline.notify.isEmpty }
        guard !apps.isEmpty else { return false }
        let (last, states) = (try installation.ledger.lastEvent(), try installation.ledger.destinations())
        for app in apps {
            for destination in app.pipeline.notify {
                if let state = states.first(where: { $0.app == app.name && $0.destination == destination.digest }) {
                    if state.cursor < last, due(state) == .zero { return true }
                } else if try installation.ledger.hasApp(app.name),
                    try installation.ledger.lastEvent(notAfter: written(installation.home.policy(app.name))) < last
                {
                    return true
                }
            }
        }
        return false
    }

    // MARK: Telling

    /// Until the task is cancelled; what is under way then is told again by the next one.
    func run(afterDeath: Bool) async {
        // What the worker before this one was about to tell.
        let mark = Delivery.mark(installation.home)
        if afterDeath { await onThread { ProcessSweep.end(marked: mark) } }
        await withTaskCancellationHandler {
            await withDiscardingTaskGroup { group in
                while !Task.isCancelled {
                    var pause: Duration = .seconds(10)
                    do {
                        pause = try begin(&group)
                    } catch {
                        logger.warning("notifications: \(error)")
                        pause = .seconds(2)
                    }
                    await watch.wait(pause)
                }
                group.cancelAll()
            }
        } onCancel: {
            watch.wake()
        }
    }

    /// Begins what is due; gives the time until the next look.
    private func begin(_ group: inout DiscardingTaskGroup) throws -> Duration {
        let duties = try duties()
        guard !duties.isEmpty else { return .seconds(10) }
        let (last, isOnlyApp) = (try installation.ledger.lastEvent(), installation.appNames().count == 1)
        var pause: Duration = .seconds(10)
        for duty in duties where position(duty) < last {
            let rest = Self.due(duty.state)
            guard rest == .zero else {
                pause = min(pause, rest)
                continue
            }
            guard state.withLock({ $0.busy.insert(duty.place).inserted }) else { continue }
            group.addTask { [self] in
                do {
                    try await tell(duty, isOnlyApp: isOnlyApp)
                } catch is CancellationError {
                    // The next worker tells it.
                } catch {
                    logger.warning("\(duty.state.name) of \(duty.app.name): \(error)")
                    // A ledger that cannot be written now: not again at once.
                    try? await Task.sleep(for: .seconds(2))  // cut short when the worker ends
                }
                state.withLock { _ = $0.busy.remove(duty.place) }
                watch.wake()
                changed()
            }
        }
        return pause
    }

    /// All that happened since, until something cannot be told.
    private func tell(_ duty: Duty, isOnlyApp: Bool) async throws {
        var position = position(duty)
        while true {
            // Few at a time, so that memory stays flat however long nobody was told.
            let events = try installation.ledger.events(after: position, limit: 200)
            guard let last = events.last else { return }
            for event in events {
                try Task.checkCancellation()
                let isTold: Bool
                do {
                    isTold = try await tell(duty, event, isOnlyApp)
                } catch is CancellationError {
                    throw CancellationError()
                } catch {
                    // Secrets that others may read, for one: nothing that trying again at once would change.
                    try putOff(duty, event, "\(error)".split(separator: "\n").first.map(String.init) ?? "")
                    isTold = false
                }
                guard isTold else { return }
                // At once: who looks at what is due may have read the ledger before this was told.
                state.withLock { $0.seen[duty.place] = event.id }
                position = event.id
            }
            if last.id - duty.state.cursor > 500 { try settle(duty) }
        }
    }

    /// False when it could not be told.
    private func tell(_ duty: Duty, _ event: Event, _ isOnlyApp: Bool) async throws -> Bool {
        // Who hears that it could not be told something would hear it of that again.
        guard event.app == nil || event.app == duty.app.name, event.kind != .notifyGivenUp else { return true }
        var notice = try Notice(event, duty.app.name, installation.ledger, isOnlyApp: isOnlyApp)
        guard duty.destination.wants(notice) else { return true }
        notice.subject = await subject(of: notice.revision, duty.app)
        let secrets = try installation.environmentFile(duty.app.name, "notify")
        let delivery = Delivery(
            destination: duty.destination, home: installation.home, app: duty.app.name, secrets: secrets)
        switch try await delivery.send(notice.masked(try masker(duty.app))) {
        case .taken:
            try Failpoint.notifyDelivered.reach()
            try installation.ledger.tell(duty.app.name, duty.state.destination, upTo: event.id, isTold: true)
            return true
        case .refused(let reason):
            try putOff(duty, event, reason)
            return false
        }
    }

    /// What the app's files keep, in all of its environments: a commit's subject may name it.
    private func masker(_ app: App) throws -> Masker {
        let names = app.pipeline.environments.map(\.name) + Pipeline.reservedNames
        return Masker(secrets: try names.flatMap { try installation.environmentFile(app.name, $0).secrets })
    }

    private func subject(of revision: Revision?, _ app: App) async -> String? {
        guard let revision else { return nil }
        return await onThread {
            // An ornament: no repository, no subject.
            (try? app.repository().commit(revision)).map { visibleLine(String($0.summary.prefix(200))) }
        }
    }

    private func putOff(_ duty: Duty, _ event: Event, _ reason: String) throws {
        let ledger = installation.ledger
        let now = try ledger.destinations(app: duty.app.name).first { $0.destination == duty.state.destination }
        guard let now else { return }
        let pause = Self.pause(after: now.failures + 1)
        let next = Timestamp(milliseconds: Timestamp.now.milliseconds + Int64(pause.inSeconds * 1000))
        try ledger.tellingFailed(now, reason, nextTry: next)
        logger.warning("\(duty.state.name) of \(duty.app.name): \(reason); again in \(pause.spoken)")
        let limit = Timestamp(milliseconds: Timestamp.now.milliseconds - Int64(Self.patience.inSeconds * 1000))
        guard event.at < limit, let since = now.failingSince, since < limit else { return }
        let text = "\(duty.state.name) was not told what happened before \(limit.local): \(reason)"
        try ledger.giveUpTelling(now, upTo: max(event.id, try ledger.lastEvent(notAfter: limit)), text)
    }

    /// With chance in it, so that destinations that failed together are not tried together.
    static func pause(after failures: Int) -> Duration {
        let full = min(longestPause.inSeconds, shortestPause.inSeconds * Double(1 << min(failures - 1, 20)))
        return .seconds(full * Double.random(in: 0.5...1))
    }

    /// Writes how far events were looked at, so that nobody looks again.
    private func settle(_ duty: Duty) throws {
        guard let seen = state.withLock({ $0.seen[duty.place] }), seen > duty.state.cursor else { return }
        let now = try installation.ledger.destinations(app: duty.app.name)
            .first { $0.destination == duty.state.destination }
        guard let now, now.failures == 0, now.cursor < seen else { return }
        try installation.ledger.tell(duty.app.name, duty.state.destination, upTo: seen, isTold: false)
    }

    /// When the worker ends.
    func settle() {
        do {
            for duty in try duties() { try settle(duty) }
        } catch {
            logger.warning("notifications: how far they are could not be written: \(error)")
        }
    }
}
