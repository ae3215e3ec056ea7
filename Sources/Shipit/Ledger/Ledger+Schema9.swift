extension Ledger {
    /// How far each destination of notifications has been told, which environment an event is about, and rollbacks
    /// without secrets.
    static let schema9 = """
        -- Of events that belong to no job.
        ALTER TABLE event ADD COLUMN environment TEXT;

        -- A person wants it to go on without what commands tell.
        ALTER TABLE job ADD COLUMN without_secrets INTEGER NOT NULL DEFAULT 0;

        CREATE TABLE notification (
            app TEXT NOT NULL REFERENCES app(name) ON DELETE CASCADE,
            -- The digest of what the policy says of it.
            destination TEXT NOT NULL,
            -- As people call it; no address, which can be a secret.
            name TEXT NOT NULL,
            -- The last event that it was told, or that is none of its business.
            cursor INTEGER NOT NULL,
            -- Since it answered well the last time.
            failures INTEGER NOT NULL DEFAULT 0,
            failing_since INTEGER,
            reason TEXT,
            next_try INTEGER,
            delivered_at INTEGER,
            PRIMARY KEY (app, destination),
            CHECK ((failures = 0) = (failing_since IS NULL))
        ) STRICT, WITHOUT ROWID;
        """
}
