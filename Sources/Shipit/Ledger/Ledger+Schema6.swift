extension Ledger {
    /// What people need to steer: where runs enter and how far they go, what they wait for, approvals, marks, a pause.
    ///
    /// The table of jobs is made anew, since SQLite cannot change a CHECK ("Making Other Kinds Of Table Schema
    /// Changes"); foreign keys are checked when the migration ends.
    static let schema6 = """
        -- The digest of the policy that was read last; what happens to the app is judged by it.
        ALTER TABLE app ADD COLUMN policy TEXT REFERENCES policy(digest);

        -- Where it enters the pipeline; null: the first environment.
        ALTER TABLE run ADD COLUMN entry TEXT;
        -- How far whoever started it promotes it; null: no further than pushes go by themselves.
        ALTER TABLE run ADD COLUMN goal TEXT;
        -- Before others of its kind.
        ALTER TABLE run ADD COLUMN is_next INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE run ADD COLUMN emergency INTEGER NOT NULL DEFAULT 0;

        -- Given with the push or with the start.
        CREATE TABLE run_variable (
            run INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,
            name TEXT NOT NULL,
            value TEXT NOT NULL,
            PRIMARY KEY (run, name)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE job_6 (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            run INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,
            app TEXT NOT NULL,
            position INTEGER NOT NULL,
            name TEXT NOT NULL,
            kind TEXT NOT NULL CHECK (kind IN ('build', 'deploy')),
            status TEXT NOT NULL CHECK (status IN
                ('queued', 'running', 'waiting', 'succeeded', 'failed', 'errored', 'cancelled', 'superseded')),
            waits TEXT,
            reason TEXT,
            attempt INTEGER NOT NULL DEFAULT 0,
            worker INTEGER,
            policy TEXT NOT NULL REFERENCES policy(digest),
            artifact INTEGER REFERENCES artifact(id),
            -- What a rollback goes back to.
            back_to INTEGER REFERENCES deployment(id) ON DELETE SET NULL,
            -- Who asked for this step; null when the pipeline did.
            by TEXT,
            -- Why, in the words of who asked.
            why TEXT,
            cancelled_by TEXT,
            ignores_stop_failures INTEGER NOT NULL DEFAULT 0,
            -- A named person lets it skip what else it would wait for.
            emergency INTEGER NOT NULL DEFAULT 0,
            -- How often it was retried by itself.
            retries INTEGER NOT NULL DEFAULT 0,
            -- When a waiting job is to be looked at again, if nothing happens before.
            wakes_at INTEGER,
            created_at INTEGER NOT NULL,
            started_at INTEGER,
            ended_at INTEGER,
            duration REAL,
            UNIQUE (run, position),
            CHECK ((status = 'waiting') = (waits IS NOT NULL)),
            CHECK (status <> 'running' OR worker IS NOT NULL)
        ) STRICT;
        INSERT INTO job_6 (id, run, app, position, name, kind, status, waits, reason, attempt, worker, policy, artifact,
            back_to, by, cancelled_by, ignores_stop_failures, created_at, started_at, ended_at, duration)
        SELECT id, run, app, position, name, kind, status, waits, reason, attempt, worker, policy, artifact,
            back_to, by, cancelled_by, ignores_stop_failures, created_at, started_at, ended_at, duration FROM job;
        DROP TABLE job;
        ALTER TABLE job_6 RENAME TO job;
        CREATE INDEX job_open ON job(status) WHERE status IN ('queued', 'running', 'waiting');
        CREATE UNIQUE INDEX one_deployment_at_a_time ON job(app, name) WHERE kind = 'deploy' AND status = 'running';
        CREATE INDEX job_artifact ON job(artifact) WHERE artifact IS NOT NULL;
        CREATE INDEX job_back_to ON job(back_to) WHERE back_to IS NOT NULL;

        -- Why nobody can go back over it, in the words of who marked it; null: it is safe as far as is known.
        ALTER TABLE deployment ADD COLUMN irreversible TEXT;
        ALTER TABLE deployment ADD COLUMN emergency INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE bad_revision ADD COLUMN reason TEXT;

        -- One person's yes to exactly this plan.
        CREATE TABLE approval (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            job INTEGER NOT NULL REFERENCES job(id) ON DELETE CASCADE,
            by TEXT NOT NULL,
            at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL,
            reason TEXT,
            -- What was approved: digests of the plan, the artifact's manifest and the policy, and the live deployment.
            plan TEXT NOT NULL,
            artifact TEXT NOT NULL,
            policy TEXT NOT NULL,
            live INTEGER,
            -- An ssh signature of the plan, and the text that it signs.
            signature TEXT,
            signed_text TEXT,
            -- Why it does not count any more.
            void TEXT,
            -- Whether who approved also wrote or pushed it.
            by_author INTEGER NOT NULL DEFAULT 0,
            -- The deployment that it let through.
            used_by INTEGER REFERENCES deployment(id) ON DELETE SET NULL
        ) STRICT;
        CREATE INDEX approval_job ON approval(job);
        CREATE INDEX approval_used_by ON approval(used_by) WHERE used_by IS NOT NULL;

        -- The whole queue stands still while there is a row.
        CREATE TABLE pause (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            by TEXT NOT NULL,
            reason TEXT NOT NULL,
            since INTEGER NOT NULL
        ) STRICT;
        """
}
