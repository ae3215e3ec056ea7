extension Ledger {
    /// What the watcher and the references in repositories need: intents, and how fetching goes.
    static let schema8 = """
        -- Apps whose references in the repository may not show yet what is live.
        CREATE TABLE reference_intent (
            app TEXT PRIMARY KEY NOT NULL REFERENCES app(name) ON DELETE CASCADE,
            -- The deployment that made it so; who has set the references takes the row away if it is still the same.
            deployment INTEGER NOT NULL,
            failures INTEGER NOT NULL DEFAULT 0,
            next_at INTEGER NOT NULL DEFAULT 0,
            reason TEXT
        ) STRICT, WITHOUT ROWID;

        -- In the very transaction that changes what is live, whoever changes it.
        CREATE TRIGGER environment_live AFTER UPDATE OF live ON environment WHEN OLD.live IS NOT NEW.live BEGIN
            INSERT INTO reference_intent (app, deployment) VALUES (NEW.app, coalesce(NEW.live, 0))
            ON CONFLICT (app) DO UPDATE
            SET deployment = excluded.deployment, failures = 0, next_at = 0, reason = NULL;
        END;

        -- Repositories elsewhere: how fetching them goes.
        CREATE TABLE fetch (
            app TEXT PRIMARY KEY NOT NULL REFERENCES app(name) ON DELETE CASCADE,
            url TEXT NOT NULL,
            -- Null until it worked once: what is there by then is taken as known, not shipped.
            fetched_at INTEGER,
            failures INTEGER NOT NULL DEFAULT 0,
            failing_since INTEGER,
            reason TEXT,
            next_at INTEGER NOT NULL,
            -- How often people asked for one, and the last of these that one was begun after.
            requests INTEGER NOT NULL DEFAULT 0,
            answered INTEGER NOT NULL DEFAULT 0,
            CHECK ((failures = 0) = (reason IS NULL) AND (failures = 0) = (failing_since IS NULL))
        ) STRICT, WITHOUT ROWID;
        """
}
