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
        let by = who(push, uid)
        var updates: [Intake.Update] = []
        let gap = gaps[id] != nil ? try !follows(push, apps) : false
        let feeding = apps.filter { $0.pipeline.repository(is: push.repository) }
        for app in feeding {
            let known = try installation.ledger.references(of: app.name)
            for update in push.updates { updates.append(try decide(update, app, known, isGap: gap)) }
        }
        if feeding.isEmpty {
            let path = String(decoding: push.repository, as: UTF8.self)
            // An app whose policy cannot be read now finds the move by comparing, once it can be read again.
            let what = problems.isEmpty ? "no app ships" : "no app whose policy can be read ships"
            updates = push.updates.prefix(100).map {
                ignored($0, app: "", "\(what) from \(visibleLine(path))", moves: false)
            }
        }
        let intake = Intake(
            spool: id, repository: visibleLine(String(decoding: push.repository, as: UTF8.self)), by: by,
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

    /// What one moved reference means for one app.
    private func decide(
        _ update: Push.Update, _ app: App, _ known: [String: Revision], isGap: Bool
    ) throws -> Intake.Update {
        let name = ReferenceName(bytes: update.reference)
        guard name.isBranch else {
            return ignored(
                update, app: app.name, "only branches ship; shipit start \(name.short) ships it anyway", moves: false)
        }
        guard app.pipeline.ships(update.reference) else {
            return ignored(
                update, app: app.name,
                "no trigger of \(app.name) names the branch \(name.short); shipit start \(name.short) ships it anyway",
                moves: false)
        }
        guard !update.isDelete else { return ignored(update, app: app.name, "the branch was deleted", moves: true) }
        guard let pushed = ObjectID(String(decoding: update.new, as: UTF8.self)) else {
            return ignored(update, app: app.name, "the new id is not an object id", moves: false)
        }
        let repository = try app.repository()
        let commit: ObjectID?
        do {
            commit = try repository.commitID(of: pushed)
        } catch let error as GitError where error.code == .notFound {
            return ignored(
                update, app: app.name, "the commit \(pushed.abbreviated()) is gone from the repository", moves: false)
        }
        guard let commit else { return ignored(update, app: app.name, "it does not lead to a commit", moves: true) }
        // A push that comes late, after a newer one was taken in, must not become the newest run.
        if isGap, let last = known[name.text], try repository.target(of: name) == last {
            return ignored(
                update, app: app.name, "found late: \(name.short) had moved on to \(last.abbreviated())", moves: false)
        }
        return Intake.Update(
            app: app.name, reference: name.text, old: String(decoding: update.old, as: UTF8.self), new: pushed.hex,
            outcome: .run(commit, app.policy), moves: true)
    }

    private func ignored(_ update: Push.Update, app: String, _ reason: String, moves: Bool) -> Intake.Update {
        Intake.Update(
            app: app, reference: ReferenceName(bytes: update.reference).text,
            old: String(decoding: update.old, as: UTF8.self), new: String(decoding: update.new, as: UTF8.self),
            outcome: .ignored(reason), moves: moves)
    }

    /// The owner of the spool file; what a forge or ssh claims only from the repository owner's account.
    private func who(_ push: Push, _ uid: UInt32) -> String {
        let user = User.named(by: uid)?.name ?? "uid \(uid)"
        let owner = FileSystem.status(String(decoding: push.repository, as: UTF8.self))?.st_uid
        guard uid == owner || uid == 0 else { return user }
        if uid == 0, let sudo = push.claim("SUDO_USER") { return "\(sudo) (sudo)" }
        for name in ["GL_USERNAME", "GL_USER", "GITEA_PUSHER_NAME", "REMOTE_USER", "GL_ID"] {
            if let claim = push.claim(name) { return "\(claim) (\(name))" }
        }
        return user
    }

    // MARK: Comparing

    /// Compares every configured reference with the ledger; a move that no spool file explains in time is a push too.
    func compare() throws {
        let now = ContinuousClock.now
        var still: [Unexplained: ContinuousClock.Instant] = [:]
        for app in installation.apps().apps where try installation.ledger.hasApp(app.name) {
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
        let repository = try app.repository()
        let known = try installation.ledger.references(of: app.name)
        var present: [String: ObjectID] = [:]
        for (name, id) in try repository.references(under: "refs/heads/") where app.pipeline.ships(name.bytes) {
            present[name.text] = id
        }
        for (name, id) in present where known[name] != id {
            let moved = Unexplained(app: app.name, reference: name, value: id.hex)
            let since = unexplained[moved] ?? now
            if now - since >= Self.comparePatience {
                try takeInMove(app, name, from: known[name], to: id)
            } else {
                still[moved] = since
            }
        }
        for (name, last) in known where present[name] == nil {
            let moved = Unexplained(app: app.name, reference: name, value: "deleted")
            let since = unexplained[moved] ?? now
            if now - since >= Self.comparePatience {
                try takeInMove(app, name, from: last, to: nil)
            } else {
                still[moved] = since
            }
        }
    }

    private func takeInMove(_ app: App, _ name: String, from old: ObjectID?, to new: ObjectID?) throws {
        let zero = String(repeating: "0", count: 40)
        let update = Push.Update(
            old: Array((old?.hex ?? zero).utf8), new: Array((new?.hex ?? zero).utf8),
            reference: ReferenceName(escaped: name).bytes)
        var decided = try decide(update, app, [:], isGap: false)
        // Whatever came of it: the same move must not be found again.
        decided.moves = true
        log("\(app.name): \(name) moved to \(new?.abbreviated() ?? "nothing") without its hook")
        try installation.ledger.takeIn(
            Intake(
                spool: nil, repository: app.pipeline.repository, by: "unknown (found by comparing)", options: [],
                at: .now, updates: [decided]))
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
    /// Whether a reference's moves ship at all.
    func ships(_ reference: [UInt8]) -> Bool {
        let name = ReferenceName(bytes: reference)
        guard name.isBranch else { return false }
        let branch = Array(reference.dropFirst("refs/heads/".utf8.count))
        return triggers.contains { $0.matches(branch: branch) }
    }

    func repository(is path: [UInt8]) -> Bool {
        let given = String(decoding: path, as: UTF8.self)
        return repository == given || FileSystem.realPath(repository) == given
            || FileSystem.realPath("\(repository)/.git") == given
    }
}
