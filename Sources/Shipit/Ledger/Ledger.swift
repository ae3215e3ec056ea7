import CLinux
import GRDB
import Glibc

/// What was pushed, run, deployed and decided: SQLite in WAL mode with `synchronous=FULL`, so what it says it kept.
///
/// Every change of state is one transaction that writes the state and the event. Safe to use from any task.
public final class Ledger: Sendable {
    let database: DatabaseQueue
    public let path: String
    /// Policies as they were recorded.
    let policies = PolicyCache()

    /// Opens the ledger, makes it if there is none, and brings an older one up to date.
    ///
    /// Refuses a ledger that a newer shipit wrote.
    public init(at path: String) throws {
        self.path = path
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        configuration.journalMode = .wal
        configuration.label = "ledger"
        Self.create(path)
        do {
            database = try DatabaseQueue(path: path, configuration: configuration)
            try database.writeWithoutTransaction { db in
                // GRDB sets NORMAL with WAL, and NORMAL loses acknowledged commits when the power goes.
                try db.execute(sql: "PRAGMA synchronous = FULL")
            }
            let migrator = Ledger.migrator
            let (done, isNewer) = try database.read { db in
                (try migrator.hasCompletedMigrations(db), try migrator.hasBeenSuperseded(db))
            }
            guard !isNewer else {
                throw ShipitError(
                    .failure, "the ledger \(path) was written by a newer shipit", hint: "install that version again")
            }
            if !done { try migrator.migrate(database) }
        } catch let error as DatabaseError {
            throw Ledger.explained(error, path)
        }
    }

    /// SQLite would take the umask's word for who may read it; its other files get the mode of this one.
    ///
    /// An existing file is not opened: closing it would let go of the locks of this process.
    private static func create(_ path: String) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        if descriptor >= 0 { close(descriptor) }
    }

    static func explained(_ error: DatabaseError, _ path: String) -> ShipitError {
        let reason = (error.message ?? "unknown").lowercasedFirst
        switch error.resultCode {
        case .SQLITE_BUSY, .SQLITE_LOCKED:
            return ShipitError(.busy, "the ledger \(path) is locked by another program", hint: "try again in a moment")
        case .SQLITE_FULL:
            return ShipitError(
                .failure, "could not write the ledger \(path): the disk is full", hint: "shipit gc frees space")
        case .SQLITE_NOTADB, .SQLITE_CORRUPT:
            return ShipitError(
                .failure, "the ledger \(path) is damaged: \(reason)",
                hint: "what is live stays live; shipit fsck says what can be rebuilt")
        case .SQLITE_CANTOPEN, .SQLITE_READONLY, .SQLITE_IOERR, .SQLITE_PERM:
            return ShipitError(
                .failure, "could not use the ledger \(path): \(reason)", hint: "check the folder's owner, mode and disk"
            )
        default: return ShipitError(.failure, "the ledger \(path) refused: \(reason)")
        }
    }

    /// When a transaction is on the disk.
    enum Durability {
        /// When it returns.
        case now
        /// With the next one that is, and in the order of both: for what is done again when a power cut takes it.
        case withTheNext
    }

    /// One transaction; database errors come out in our words.
    ///
    /// Not async on purpose: a commit takes less than a millisecond, and a cancelled task must still be able to record
    /// how it was cancelled.
    func write<Value>(_ durability: Durability = .now, _ body: (Database) throws -> Value) throws -> Value {
        do {
            return try database.writeWithoutTransaction { db in
                guard durability == .withTheNext else {
                    return try db.transaction("BEGIN IMMEDIATE TRANSACTION", body)
                }
                // In WAL mode NORMAL leaves out the sync of a commit and nothing else (SQLite, "PRAGMA synchronous").
                try db.execute(sql: "PRAGMA synchronous = NORMAL")
                defer {
                    // Cannot fail: it is a variable of this connection, and no transaction is open.
                    try? db.execute(sql: "PRAGMA synchronous = FULL")
                }
                return try db.transaction("BEGIN IMMEDIATE TRANSACTION", body)
            }
        } catch let error as DatabaseError {
            throw Ledger.explained(error, path)
        }
    }

    /// What `body` reads belongs to one moment.
    func read<Value>(_ body: (Database) throws -> Value) throws -> Value {
        do {
            return try database.unsafeRead { db in
                let before = db.totalChangesCount
                defer { assert(db.totalChangesCount == before, "what reads must not write") }
                return try db.transaction("BEGIN DEFERRED TRANSACTION", body)
            }
        } catch let error as DatabaseError {
            throw Ledger.explained(error, path)
        }
    }

    /// SQLite's own check of the whole file; empty when it is sound.
    public func integrityProblems() throws -> [String] {
        try read { db in
            try String.fetchAll(db, sql: "PRAGMA integrity_check").filter { $0 != "ok" }
                + Row.fetchAll(db, sql: "PRAGMA foreign_key_check").map { "a reference is broken: \($0)" }.sorted()
        }
    }

    /// The durability mode of this connection, for those who check promises.
    public func synchronousMode() throws -> Int {
        try read { try Int.fetchOne($0, sql: "PRAGMA synchronous") ?? -1 }
    }
}
