import CLinux
import GitKit
import Glibc
import Spool

/// Takes pushes in: from the spool in the order in which their references moved, and from comparing references.
///
/// Stays in the worker's task; remembers only since when something waits to be explained.
final class Intaking {
    private let installation: Installation
    /// Spool files that do not follow on what is known: since when they wait.
    private var gaps: [String: ContinuousClock.Instant] = [:]
    /// References that moved without a spool file: since when.
    private var unexplained: [Unexplained: ContinuousClock.Instant] = [:]
    /// Spool files that the ledger has, and that may go.
    private var takenIn: [String] = []
    private let log: @Sendable (String) -> Void

    static let gapPatience: Duration = .seconds(2)
    static let comparePatience: Duration = .seconds(10)
    /// While a hook is at it, which may wait long for a slow disk; it knows who pushed, and with what options.
    static let hookPatience: Duration = .seconds(40)

    private struct Unexplained: Hashable {
        let app: String
        let reference: String
        let value: String
    }

    init(_ installation: Installation, log: @escaping @Sendable (String) -> Void) {
        self.installation = installation
        self.log = log
    }

    /// Whether something waits to be explained, so that the worker must look again.
    var isWaiting: Bool { !gaps.isEmpty || !unexplained.isEmpty }

    // MARK: The spool

    /// Takes in what can be taken in now.
    func takeInSpool() throws {
        var pending: [(id: String, push: Push, uid: UInt32)] = []
        for id in try SpoolFile.list(in: installation.home.spool) where !takenIn.contains(id) {
            do {
                let (push, uid) = try SpoolFile.read(id, in: installation.home.spool)
                pending.append((id, push, uid))
            } catch {
                // It can never be taken in; the reference that it told of is found by comparing.
                log("a spool file cannot be read and is put aside: \(id): \(error)")
                rename("\(installation.home.spool)/\(id).push", "\(installation.home.spool)/.unreadable-\(id)")
            }
        }
        guard !pending.isEmpty else {
            gaps = [:]
            return
        }
        pending.sort { ($0.push.receivedAtNanoseconds, $0.id) < ($1.push.receivedAtNanoseconds, $1.id) }
        let (all, problems) = installation.apps()
        let apps = try all.filter { try installation.ledger.hasApp($0.name) }
        for problem in problems { log("an app is left out: \(problem)") }
        var trouble: (any Error)?
        while let next = try choose(from: pending, apps) {
            let (id, push, uid) = pending.remove(at: next)
            do {
                try takeIn(id, push, uid, apps, problems)
                gaps[id] = nil
            } catch {
                // It stays in the spool for the next round; the pushes to other apps must not wait for it.
                trouble = error
            }
        }
        if let trouble { throw trouble }
    }

    /// What cannot be removed now is tried again in each round; the ledger knows it by its name, and nobody takes it in twice.
    func removeTakenIn() throws {
        var trouble: (any Error)?
        takenIn = takenIn.filter { id in
            do {
                try SpoolFile.remove(id, in: installation.home.spool)
                return false
            } catch {
                trouble = error
                return true
            }
        }
        if let trouble { throw trouble }
    }

    /// The first push whose old values are what is known; else the oldest whose patience is over.
    private func choose(from pending: [(id: String, push: Push, uid: UInt32)], _ apps: [App]) throws -> Int? {
        let now = ContinuousClock.now
        for (index, candidate) in pending.enumerated() where try follows(candidate.push, apps) { return index }
        for (index, candidate) in pending.enumerated() {
            if let since = gaps[candidate.id] {
                if now - since >= Self.gapPatience { return index }
            } else {
                gaps[candidate.id] = now
            }
        }
        return nil
    }

    private func follows(_ push: Push, _ apps: [App]) throws -> Bool {
        for app in apps where app.pipeline.repository(is: push.repository) {
            let known = try installation.ledger.references(of: app.name)
            for update in push.updates where app.pipeline.ships(update.reference) {
                let name = ReferenceName(bytes: update.reference).text
                let old = String(decoding: update.old, as: UTF8.self)
                let expected = known[name]?.hex
                if update.isCreate ? expected != nil : expected != old { return false }
            }
        }
        return true
    }

    private func takeIn(_ id: String, _ push: Push, _ uid: UInt32, _ apps: [App], _ problems: [any Error]) throws {
        let pusher = who(push, uid)
        var updates: [Intake.Update] = []
        let gap = gaps[id] != nil ? try !follows(push, apps) : false
        let feeding = apps.filter { $0.pipeline.repository(is: push.repository) }
        for app in feeding {
            let known = try installation.ledger.references(of: app.name)
            let options = PushOptions(push.options, foreign: app.pipeline.foreignOptions)
            let decision = PushDecision(
                installation: installation, app: app, known: known, updates: push.updates, options: options,
                pusher: pusher, log: log)
            updates += try inOrder(push.updates.map { try decision.decide($0, isGap: gap) }, app)
        }
        if feeding.isEmpty {
            let path = String(decoding: push.repository, as: UTF8.self)
            // An app whose policy cannot be read now finds the move by comparing, once it can be read again.
            let what = problems.isEmpty ? "no app ships" : "no app whose policy can be read ships"
            updates = push.updates.prefix(100).map {
                Intake.Update(ignoring: $0, app: "", "\(what) from \(visibleLine(path))", moves: false)
            }
        }
        let intake = Intake(
            spool: id, repository: visibleLine(String(decoding: push.repository, as: UTF8.self)), by: pusher.by,
            options: push.options.map { visibleLine(String(decoding: $0, as: UTF8.self)) },
            at: Timestamp(milliseconds: push.receivedAtNanoseconds / 1_000_000), updates: updates)
        try Failpoint.ingestBeforeLedger.reach()
        try installation.ledger.takeIn(intake)
        try Failpoint.ingestAfterLedger.reach()
        takenIn.append(id)
        for update in updates {
            unexplained[Unexplained(app: update.app, reference: update.reference, value: update.new)] = nil
        }
    }

    /// Of several references in one push the one with the newest commit is the newest run: git has them by name.
    private func inOrder(_ updates: [Intake.Update], _ app: App) throws -> [Intake.Update] {
        let revisions = updates.compactMap(\.revision)
        guard revisions.count > 1 else { return updates }
        let repository = try app.repository()
        var times: [Revision: Int64] = [:]
        for revision in revisions { times[revision] = Int64(try repository.commit(revision).committer.seconds) }
        let timed = updates.enumerated().map { (time: $1.revision.flatMap { times[$0] } ?? 0, place: $0, update: $1) }
        return timed.sorted { ($0.time, $0.place) < ($1.time, $1.place) }.map(\.update)
    }

    /// The owner of the spool file; what a forge or ssh claims only from the repository owner's account.
    private func who(_ push: Push, _ uid: UInt32) -> Pusher {
        let user = User.named(by: uid)?.name ?? "uid \(uid)"
        let owner = FileSystem.status(String(decoding: push.repository, as: UTF8.self))?.st_uid
        let person = Pusher(by: user, reachesShipit: uid == 0 || uid == geteuid())
        guard uid == owner || uid == 0 else { return person }
        if uid == 0, let sudo = push.claim("SUDO_USER") { return Pusher(by: "\(sudo) (sudo)", reachesShipit: true) }
        for name in ["GL_USERNAME", "GL_USER", "GITEA_PUSHER_NAME", "REMOTE_USER", "GL_ID"] {
            if let claim = push.claim(name) { return Pusher(by: "\(claim) (\(name))", reachesShipit: false) }
        }
        return person
    }

    // MARK: Comparing

    /// Compares every configured reference with the ledger; a move that no spool file explains in time is a push too.
    ///
    /// `only`: these apps, nil for all. `follow` gets the path of each app's repository before the first is opened.
    func compare(_ only: Set<String>?, follow: ([String: String]) -> Void = { _ in }) throws {
        let now = ContinuousClock.now
        let (all, _) = installation.apps()
        let apps = try all.filter { try installation.ledger.hasApp($0.name) }
        let remotes = apps.compactMap { app in app.pipeline.remote.map { (app.name, $0.url) } }
        try installation.ledger.expectFetches(Dictionary(uniqueKeysWithValues: remotes), of: apps.map(\.name))
        let local = apps.filter { $0.pipeline.remote == nil }.map { ($0.name, $0.repositoryPath) }
        follow(Dictionary(uniqueKeysWithValues: local))
        var still = unexplained.filter { move, _ in only.map { !$0.contains(move.app) } ?? false }
        for app in apps where only?.contains(app.name) ?? true {
            do {
                try compare(app, now, &still)
            } catch {
                // Trouble with one repository must not hide the moves in the others.
                log("\(app.name): \(error)")
            }
        }
        unexplained = still
    }

    private func compare(
        _ app: App, _ now: ContinuousClock.Instant, _ still: inout [Unexplained: ContinuousClock.Instant]
    ) throws {
        // Before the first fetch there is nothing to compare; afterwards nobody else explains what it brought.
        if app.pipeline.remote != nil, try installation.ledger.fetchRecord(of: app.name)?.fetchedAt == nil { return }
        var patience = app.pipeline.remote == nil ? Self.comparePatience : .zero
        let isOverdue = unexplained.contains { $0.key.app == app.name && now - $0.value >= patience }
        if isOverdue, patience > .zero, ProcessSweep.isReceiving(for: installation.home) {
            patience = Self.hookPatience
        }
        let repository = try app.repository()
        let known = try installation.ledger.references(of: app.name)
        let present = try app.pipeline.references(of: repository)
        let tracked = app.pipeline.trackedReferences
        let before = try installation.ledger.trackedReferences(of: app.name)
        var newlyNamed: [String: ObjectID] = [:]
        for (name, id) in present where known[name] != id {
            let moved = Unexplained(app: app.name, reference: name, value: id.hex)
            let since = unexplained[moved] ?? now
            guard now - since >= patience else {
                still[moved] = since
                continue
            }
            // A ledger of an older shipit does not say; it compared branches alone.
            let isOld = known[name] == nil && before != tracked && (before != nil || name.hasPrefix("refs/tags/"))
            if isOld { newlyNamed[name] = id } else { try takeInMove(app, name, known, to: id) }
        }
        try know(newlyNamed, of: app)
        if before != tracked, !still.keys.contains(where: { $0.app == app.name }) {
            try installation.ledger.track(tracked, of: app.name)
        }
        for name in known.keys where present[name] == nil {
            let moved = Unexplained(app: app.name, reference: name, value: "deleted")
            let since = unexplained[moved] ?? now
            if now - since >= patience {
                try takeInMove(app, name, known, to: nil)
            } else {
                still[moved] = since
            }
        }
    }

    /// What was there before a trigger named it is no push.
    private func know(_ references: [String: ObjectID], of app: App) throws {
        guard !references.isEmpty else { return }
        try installation.ledger.know(references, of: app.name)
        for name in references.keys.sorted().prefix(20) {
            let short = ReferenceName(escaped: name).short
            log(
                "\(app.name): \(short) is named by a trigger only now and taken as known; shipit start \(short) ships it"
            )
        }
    }

    private func takeInMove(_ app: App, _ name: String, _ known: [String: ObjectID], to new: ObjectID?) throws {
        let zero = String(repeating: "0", count: 40)
        let update = Push.Update(
            old: Array((known[name]?.hex ?? zero).utf8), new: Array((new?.hex ?? zero).utf8),
            reference: ReferenceName(escaped: name).bytes)
        let decision = PushDecision(
            installation: installation, app: app, known: known, updates: [update],
            options: PushOptions([], foreign: []), pusher: .unknown, log: log)
        var decided = try decision.decide(update, isGap: false)
        if !app.pipeline.ships(update.reference) {
            decided.outcome = .unconcerned("no trigger of \(app.name) names it any more")
        }
        // Whatever came of it: the same move must not be found again.
        decided.moves = true
        let remote = app.pipeline.remote
        let how = remote.map { "at \($0.place)" } ?? "without its hook"
        log("\(app.name): \(name) moved to \(new?.abbreviated() ?? "nothing") \(how)")
        try installation.ledger.takeIn(
            Intake(
                spool: nil, repository: app.pipeline.repository,
                by: remote.map { "fetched from \($0.place)" } ?? Pusher.unknown.by, options: [], at: .now,
                updates: [decided]))
    }
}

extension Intake.Update {
    /// What ships.
    fileprivate var revision: Revision? {
        if case .run(let revision, _, _) = outcome { revision } else { nil }
    }
}

extension Push {
    fileprivate func claim(_ name: String) -> String? {
        claims.first { $0.name == name && !$0.value.isEmpty }.map {
            visibleLine(String(decoding: $0.value, as: UTF8.self))
        }
    }
}

extension Pipeline {
    /// The repository's branches and tags that a trigger names, by name as text.
    func references(of repository: Repository) throws -> [String: ObjectID] {
        var found: [String: ObjectID] = [:]
        for kind in Set(triggers.map(\.kind)) {
            for (name, id) in try repository.references(under: kind.prefix) where ships(name.bytes) {
                found[name.text] = id
            }
        }
        return found
    }

    func repository(is path: [UInt8]) -> Bool {
        let given = String(decoding: path, as: UTF8.self)
        return repository == given || FileSystem.realPath(repository) == given
            || FileSystem.realPath("\(repository)/.git") == given
    }
}
