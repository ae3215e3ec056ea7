extension Ledger {
    /// What a way back has to know, and what people ask of the past.
    static let schema10 = """
        -- A person wants a rollback to leave out the Rollback event of what is live.
        ALTER TABLE job ADD COLUMN skips_rollback_hook INTEGER NOT NULL DEFAULT 0;

        -- What it passed before it was called a success, in words; null: not known.
        ALTER TABLE deployment ADD COLUMN checks TEXT;

        -- Lines that a way back would cross.
        CREATE INDEX deployment_irreversible ON deployment(app, environment, id) WHERE irreversible IS NOT NULL;
        """
}
