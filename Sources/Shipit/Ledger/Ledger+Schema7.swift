extension Ledger {
    /// What is needed to tell references that a trigger names only now from those that moved.
    static let schema7 = """
        -- What the triggers named when the references were last compared.
        CREATE TABLE tracked (
            app TEXT PRIMARY KEY NOT NULL REFERENCES app(name) ON DELETE CASCADE,
            names TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;

        -- Nothing of the push concerned the app: said briefly where there are many apps.
        ALTER TABLE push_update ADD COLUMN unconcerned INTEGER NOT NULL DEFAULT 0;
        """
}
