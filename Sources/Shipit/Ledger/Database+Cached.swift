import GRDB

// SQLite takes longer to compile most of our statements than to run them, so a connection compiles each once: the text
// is constant, what varies are its arguments. PRAGMA has no place here, as some take effect when they are compiled; and nothing stands
// after a `*`, as a newer shipit may add columns meanwhile, and GRDB keeps the names of the old ones.

extension Database {
    func execute(cached sql: String, arguments: StatementArguments = []) throws {
        try cachedStatement(sql: sql).execute(arguments: arguments)
    }

    /// GRDB's own transactions compile their beginning and their end each time.
    func transaction<Value>(_ beginning: String, _ body: (Database) throws -> Value) throws -> Value {
        try execute(cached: beginning)
        do {
            let value = try body(self)
            try execute(cached: "COMMIT TRANSACTION")
            return value
        } catch {
            // Some errors have rolled back already; the first one is the one to tell of.
            try? rollback()
            throw error
        }
    }
}

extension Row {
    static func fetchAll(
        _ db: Database, cached sql: String, arguments: StatementArguments = []
    ) throws -> [Row] {
        try fetchAll(db.cachedStatement(sql: sql), arguments: arguments)
    }

    static func fetchOne(
        _ db: Database, cached sql: String, arguments: StatementArguments = []
    ) throws -> Row? {
        try fetchOne(db.cachedStatement(sql: sql), arguments: arguments)
    }
}

extension FetchableRecord {
    static func fetchAll(
        _ db: Database, cached sql: String, arguments: StatementArguments = []
    ) throws -> [Self] {
        try fetchAll(db.cachedStatement(sql: sql), arguments: arguments)
    }

    static func fetchOne(
        _ db: Database, cached sql: String, arguments: StatementArguments = []
    ) throws -> Self? {
        try fetchOne(db.cachedStatement(sql: sql), arguments: arguments)
    }
}

extension DatabaseValueConvertible {
    static func fetchAll(
        _ db: Database, cached sql: String, arguments: StatementArguments = []
    ) throws -> [Self] {
        try fetchAll(db.cachedStatement(sql: sql), arguments: arguments)
    }

    static func fetchOne(
        _ db: Database, cached sql: String, arguments: StatementArguments = []
    ) throws -> Self? {
        try fetchOne(db.cachedStatement(sql: sql), arguments: arguments)
    }
}
