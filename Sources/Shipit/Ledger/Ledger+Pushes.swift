import GRDB
public import GitKit

/// A push as it is about to be taken in: what it means was decided before, the ledger only records it.
public struct Intake: Hashable, Sendable {
    public struct Update: Hashable, Sendable {
        public enum Outcome: Hashable, Sendable {
            /// Ships this commit under this policy.
            case run(Revision, Policy, Course = Course())
            case ignored(String)
            /// Ships nothing, as nobody would expect otherwise.
            case unconcerned(String)
        }

        public var app: String
        public var reference: String
        public var old: String
        public var new: String
        public var outcome: Outcome
        /// Whether the reference's last known value moves to `new` (nil when it was deleted).
        public var moves: Bool
    }

    /// The spool file's name; nil for a move that was found by comparing.
    public var spool: String?
    public var repository: String
    public var by: String
    public var options: [String]
    public var at: Timestamp
    public var updates: [Update]
}

extension Intake.Update.Outcome {
    fileprivate var isUnconcerned: Bool {
        if case .unconcerned = self { true } else { false }
    }
}

/// A policy as text: jobs record the one they were made under.
public struct Policy: Hashable, Sendable {
    public let pipeline: Pipeline
    public let text: String
    public let digest: String
}

/// What one push led to, for `runs --pushes` and for the pusher's terminal.
public struct PushRecord: Hashable, Sendable {
    public struct Update: Hashable, Sendable {
        public let app: String
        public let reference: String
        public let old: String
        public let new: String
        public let reason: String?
        public let isUnconcerned: Bool
        public let run: Int64?
    }

    public let id: Int64
    public let spool: String?
    public let by: String
    public let at: Timestamp
    public let options: [String]
    public let updates: [Update]
}

extension Ledger {
    /// Takes in a push: the push, its runs, their first jobs and the events in one transaction.
    ///
    /// Doing it twice changes nothing: a spool file that was taken in already gives no runs.
    @discardableResult
    public func takeIn(_ intake: Intake) throws -> [Int64] {
        try write { db in
            if let spool = intake.spool {
                if try Int64.fetchOne(db, cached: "SELECT id FROM push WHERE spool = ?", arguments: [spool]) != nil {
                    return []
                }
            }
            let (push, updates) = try db.join(intake) ?? (try db.insert(intake), intake.updates)
            var runs: [Int64] = []
            var arrivals: [String: (policy: Policy, happenings: [Happening])] = [:]
            for update in updates {
                var run: Int64?
                var reason: String?
                switch update.outcome {
                case .run(let revision, let policy, let course):
                    let id = try db.insertRun(
                        .push, app: update.app, revision, reference: update.reference, by: intake.by, course: course)
                    let origin = Steering.Origin(kind: .push, revision: revision, by: intake.by, course)
                    arrivals[update.app, default: (policy, [])].happenings.append(.arrived(run: id, origin))
                    run = id
                    runs.append(id)
                case .ignored(let why), .unconcerned(let why):
                    reason = why
                    try db.say(.pushIgnored, app: update.app, "\(update.reference): \(why)")
                }
                try db.execute(
                    cached: """
                        INSERT INTO push_update (push, app, reference, old, new, reason, unconcerned, run)
                        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                        """,
                    arguments: [
                        push, update.app, update.reference, update.old, update.new, reason,
                        update.outcome.isUnconcerned, run,
                    ])
                if update.moves { try db.move(update) }
            }
            for (app, arrived) in arrivals.sorted(by: { $0.key < $1.key }) {
                try db.adopt(arrived.policy)
                try steer(db, app, arrived.happenings, orUnder: arrived.policy)
            }
            return runs
        }
    }

    public func push(spool: String) throws -> PushRecord? {
        try read { db in try db.pushes(where: "spool = ?", [spool]).first }
    }

    /// Newest first.
    public func pushes(app: String?, limit: Int) throws -> [PushRecord] {
        try read { db in
            guard let app else { return try db.pushes(where: "1 ORDER BY id DESC LIMIT ?", [limit]) }
            return try db.pushes(
                where: """
                    id IN (SELECT DISTINCT push FROM push_update WHERE app = ? ORDER BY push DESC LIMIT ?)
                    ORDER BY id DESC
                    """, [app, limit])
        }
    }

    /// The last value of each reference of the app that was taken in, by its text.
    public func references(of app: String) throws -> [String: Revision] {
        try read { db in
            let rows = try Row.fetchAll(
                db, cached: "SELECT name, revision FROM reference WHERE app = ?", arguments: [app])
            var known: [String: Revision] = [:]
            for row in rows {
                if let id = ObjectID(row["revision"] as String) { known[row["name"]] = id }
            }
            return known
        }
    }

    /// What the triggers named when references were last compared; nil when no shipit said so yet.
    public func trackedReferences(of app: String) throws -> String? {
        try read { try String.fetchOne($0, cached: "SELECT names FROM tracked WHERE app = ?", arguments: [app]) }
    }

    public func track(_ names: String, of app: String) throws {
        try write {
            try $0.execute(
                cached: "INSERT OR REPLACE INTO tracked (app, names) VALUES (?, ?)", arguments: [app, names])
        }
    }

    /// Present references are taken as known, not shipped.
    public func know(_ references: [String: Revision], of app: String) throws {
        try write { db in
            for (name, revision) in references {
                try db.execute(
                    cached: "INSERT OR REPLACE INTO reference (app, name, revision) VALUES (?, ?, ?)",
                    arguments: [app, name, revision.hex])
            }
        }
    }
}

extension Database {
    fileprivate func insert(_ intake: Intake) throws -> Int64 {
        try execute(
            cached: "INSERT INTO push (spool, repository, by, options, at) VALUES (?, ?, ?, ?, ?)",
            arguments: [
                intake.spool, intake.repository, intake.by, intake.options.joined(separator: "\n"), intake.at,
            ])
        return lastInsertedRowID
    }

    /// Moves that were found by comparing, and whose spool file came later, are one push and not two.
    ///
    /// Gives that push and the updates that were not found; nil when none was.
    fileprivate func join(_ intake: Intake) throws -> (push: Int64, rest: [Intake.Update])? {
        guard let spool = intake.spool else { return nil }
        var joined: Int64?
        var rest: [Intake.Update] = []
        for update in intake.updates {
            let found = try Int64.fetchOne(
                self,
                cached: """
                    SELECT push.id FROM push INDEXED BY push_found JOIN push_update ON push_update.push = push.id
                    WHERE push.spool IS NULL AND app = ? AND reference = ? AND new = ? AND push.at > ?
                    ORDER BY push.id DESC LIMIT 1
                    """,
                arguments: [
                    update.app, update.reference, update.new, Timestamp(milliseconds: intake.at.milliseconds - 60_000),
                ])
            guard let found else {
                rest.append(update)
                continue
            }
            guard let first = joined else {
                joined = found
                continue
            }
            // Comparing makes a push of each move.
            try execute(cached: "UPDATE push_update SET push = ? WHERE push = ?", arguments: [first, found])
            try execute(cached: "DELETE FROM push WHERE id = ?", arguments: [found])
        }
        guard let joined else { return nil }
        try execute(
            cached: "UPDATE push SET spool = ?, by = ?, options = ? WHERE id = ?",
            arguments: [spool, intake.by, intake.options.joined(separator: "\n"), joined])
        try execute(
            cached: "UPDATE run SET by = ? WHERE id IN (SELECT run FROM push_update WHERE push = ?)",
            arguments: [intake.by, joined])
        return (joined, rest)
    }

    fileprivate func move(_ update: Intake.Update) throws {
        if update.new.allSatisfy({ $0 == "0" }) {
            try execute(
                cached: "DELETE FROM reference WHERE app = ? AND name = ?", arguments: [update.app, update.reference])
        } else {
            try execute(
                cached: "INSERT OR REPLACE INTO reference (app, name, revision) VALUES (?, ?, ?)",
                arguments: [update.app, update.reference, update.new])
        }
    }

    fileprivate func pushes(where condition: String, _ arguments: StatementArguments) throws -> [PushRecord] {
        try Row.fetchAll(self, cached: "SELECT * FROM push WHERE \(condition)", arguments: arguments).map { row in
            let updates = try Row.fetchAll(
                self, cached: "SELECT * FROM push_update WHERE push = ? ORDER BY app, reference",
                arguments: [row["id"] as Int64])
            return PushRecord(
                id: row["id"], spool: row["spool"], by: row["by"], at: row["at"],
                options: (row["options"] as String).split(separator: "\n").map(String.init),
                updates: updates.map {
                    PushRecord.Update(
                        app: $0["app"], reference: $0["reference"], old: $0["old"], new: $0["new"],
                        reason: $0["reason"], isUnconcerned: $0["unconcerned"], run: $0["run"])
                })
        }
    }
}
