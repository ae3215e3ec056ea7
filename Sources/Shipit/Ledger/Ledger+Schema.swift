import GRDB

extension Ledger {
    /// Migrations are only ever added.
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1") { try $0.execute(sql: schema1) }
        migrator.registerMigration("2") { try $0.execute(sql: schema2) }
        migrator.registerMigration("3") { try $0.execute(sql: schema3) }
        migrator.registerMigration("4") { try $0.execute(sql: schema4) }
        migrator.registerMigration("5") { try $0.execute(sql: schema5) }
        migrator.registerMigration("6") { try $0.execute(sql: schema6) }
        migrator.registerMigration("7") { try $0.execute(sql: schema7) }
        migrator.registerMigration("8") { try $0.execute(sql: schema8) }
        migrator.registerMigration("9") { try $0.execute(sql: schema9) }
        migrator.registerMigration("10") { try $0.execute(sql: schema10) }
        return migrator
    }

    private static let schema1 = """
        CREATE TABLE app (
            name TEXT PRIMARY KEY NOT NULL,
            repository TEXT NOT NULL,
            created_at INTEGER NOT NULL
        ) STRICT;

        -- The last value of each configured reference that was taken in.
        CREATE TABLE reference (
            app TEXT NOT NULL REFERENCES app(name) ON DELETE CASCADE,
            name TEXT NOT NULL,
            revision TEXT NOT NULL,
            PRIMARY KEY (app, name)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE push (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            -- The name of the spool file; null for a move that was found by comparing.
            spool TEXT UNIQUE,
            repository TEXT NOT NULL,
            by TEXT NOT NULL,
            options TEXT NOT NULL,
            at INTEGER NOT NULL
        ) STRICT;

        CREATE TABLE push_update (
            push INTEGER NOT NULL REFERENCES push(id) ON DELETE CASCADE,
            app TEXT NOT NULL,
            reference TEXT NOT NULL,
            old TEXT NOT NULL,
            new TEXT NOT NULL,
            -- Why nothing ships; null when a run was made.
            reason TEXT,
            run INTEGER REFERENCES run(id) ON DELETE SET NULL,
            PRIMARY KEY (push, app, reference),
            CHECK (reason IS NOT NULL OR run IS NOT NULL)
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX push_update_run ON push_update(run);

        CREATE TABLE policy (
            digest TEXT PRIMARY KEY NOT NULL,
            text TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE worker (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            pid INTEGER NOT NULL,
            start_ticks INTEGER NOT NULL,
            boot TEXT NOT NULL,
            -- CLOCK_BOOTTIME in milliseconds when it last said that it lives.
            beat INTEGER NOT NULL,
            started_at INTEGER NOT NULL
        ) STRICT;

        CREATE TABLE run (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            app TEXT NOT NULL REFERENCES app(name) ON DELETE CASCADE,
            kind TEXT NOT NULL CHECK (kind IN ('push', 'start', 'promote', 'rollback')),
            revision TEXT NOT NULL,
            reference TEXT,
            by TEXT NOT NULL,
            reason TEXT,
            rebuild INTEGER NOT NULL DEFAULT 0,
            created_at INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX run_app ON run(app, id);

        CREATE TABLE artifact (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            app TEXT NOT NULL REFERENCES app(name) ON DELETE CASCADE,
            revision TEXT NOT NULL,
            digest TEXT NOT NULL,
            size INTEGER NOT NULL,
            file TEXT NOT NULL,
            run INTEGER NOT NULL,
            created_at INTEGER NOT NULL,
            UNIQUE (app, revision, digest),
            UNIQUE (app, file)
        ) STRICT;

        CREATE TABLE job (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            run INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,
            app TEXT NOT NULL,
            position INTEGER NOT NULL,
            name TEXT NOT NULL,
            kind TEXT NOT NULL CHECK (kind IN ('build', 'deploy')),
            status TEXT NOT NULL CHECK (status IN
                ('queued', 'running', 'waiting', 'succeeded', 'failed', 'errored', 'cancelled', 'superseded')),
            waits TEXT CHECK (waits IN ('promotion', 'hold')),
            reason TEXT,
            attempt INTEGER NOT NULL DEFAULT 0,
            worker INTEGER,
            policy TEXT NOT NULL REFERENCES policy(digest),
            artifact INTEGER REFERENCES artifact(id),
            -- What a rollback goes back to.
            back_to INTEGER REFERENCES deployment(id) ON DELETE SET NULL,
            -- Who asked for this step; null when the pipeline did.
            by TEXT,
            cancelled_by TEXT,
            created_at INTEGER NOT NULL,
            started_at INTEGER,
            ended_at INTEGER,
            duration REAL,
            UNIQUE (run, position),
            CHECK ((status = 'waiting') = (waits IS NOT NULL)),
            CHECK (status <> 'running' OR worker IS NOT NULL)
        ) STRICT;
        CREATE INDEX job_open ON job(status) WHERE status IN ('queued', 'running', 'waiting');
        CREATE UNIQUE INDEX one_deployment_at_a_time ON job(app, name) WHERE kind = 'deploy' AND status = 'running';

        CREATE TABLE deployment (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            job INTEGER NOT NULL REFERENCES job(id) ON DELETE CASCADE,
            run INTEGER NOT NULL,
            app TEXT NOT NULL,
            environment TEXT NOT NULL,
            kind TEXT NOT NULL CHECK (kind IN ('deploy', 'rollback')),
            revision TEXT NOT NULL,
            artifact INTEGER NOT NULL REFERENCES artifact(id),
            release INTEGER,
            previous INTEGER,
            status TEXT NOT NULL,
            reason TEXT,
            by TEXT NOT NULL,
            token INTEGER NOT NULL UNIQUE,
            created_at INTEGER NOT NULL,
            ended_at INTEGER,
            duration REAL,
            UNIQUE (job)
        ) STRICT;
        CREATE INDEX deployment_environment ON deployment(app, environment, id);

        CREATE TABLE environment (
            app TEXT NOT NULL REFERENCES app(name) ON DELETE CASCADE,
            name TEXT NOT NULL,
            live INTEGER REFERENCES deployment(id),
            previous INTEGER REFERENCES deployment(id),
            last_release INTEGER NOT NULL DEFAULT 0,
            hold_kind TEXT CHECK (hold_kind IN ('hold', 'rollback')),
            hold_reason TEXT,
            hold_by TEXT,
            hold_since INTEGER,
            hold_until INTEGER,
            PRIMARY KEY (app, name)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE bad_revision (
            app TEXT NOT NULL REFERENCES app(name) ON DELETE CASCADE,
            environment TEXT NOT NULL,
            revision TEXT NOT NULL,
            by TEXT NOT NULL,
            at INTEGER NOT NULL,
            PRIMARY KEY (app, environment, revision)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE event (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            at INTEGER NOT NULL,
            kind TEXT NOT NULL,
            app TEXT,
            run INTEGER,
            job INTEGER,
            text TEXT NOT NULL
        ) STRICT;
        CREATE INDEX event_run ON event(run, id);

        -- Grows by one for each attempt at a deployment: the fence that targets check.
        CREATE TABLE fence (token INTEGER NOT NULL) STRICT;
        INSERT INTO fence VALUES (0);
        """

    private static let schema2 = """
        -- The digest of the manifest; the tarball's own is empty until it is packed.
        ALTER TABLE artifact ADD COLUMN manifest TEXT NOT NULL DEFAULT '';
        ALTER TABLE artifact ADD COLUMN method TEXT NOT NULL DEFAULT 'build' 
        CHECK (method IN ('build', 'patched', 'tree'));
        ALTER TABLE artifact ADD COLUMN export_rules INTEGER NOT NULL DEFAULT 0;
        """

    /// What keeps a ledger of a million deployments as quick as an empty one, and what retention has to know.
    ///
    /// Each index answers a question that a push, a command or a foreign key asks; a push writes about ten more entries
    /// for them, in transactions that it makes anyway.
    private static let schema3 = """
        -- A revision that people type; the runs of a revision.
        CREATE INDEX run_revision ON run(app, revision);

        -- Room that the logs of a run take: 0 until somebody counts, null when there are none.
        ALTER TABLE run ADD COLUMN log_bytes INTEGER;
        UPDATE run SET log_bytes = 0;
        CREATE INDEX run_logs ON run(app, id, log_bytes) WHERE log_bytes IS NOT NULL;

        -- When retention let the file go: the row stays for what was deployed from it.
        ALTER TABLE artifact ADD COLUMN removed_at INTEGER;
        CREATE INDEX artifact_kept ON artifact(app, id) WHERE removed_at IS NULL;

        -- Releases that worked, however many failed since; whether a revision was ever live there.
        CREATE INDEX deployment_good ON deployment(app, environment, id) WHERE status = 'succeeded';
        CREATE INDEX deployment_revision ON deployment(app, environment, revision);

        -- Who points to a row that goes.
        CREATE INDEX deployment_artifact ON deployment(artifact);
        CREATE INDEX deployment_previous ON deployment(previous);
        CREATE INDEX job_artifact ON job(artifact) WHERE artifact IS NOT NULL;
        CREATE INDEX job_back_to ON job(back_to) WHERE back_to IS NOT NULL;

        -- The pushes of an app; those that were found by comparing.
        CREATE INDEX push_update_app ON push_update(app, push);
        CREATE INDEX push_found ON push(at) WHERE spool IS NULL;
        """

    private static let schema4 = """
        -- A person wants the deployment to go on when what is live cannot be stopped by its own script.
        ALTER TABLE job ADD COLUMN ignores_stop_failures INTEGER NOT NULL DEFAULT 0;
        """

    /// What a build leaves besides its artifact.
    private static let schema5 = """
        -- Variables that the buildspec exports, as they were after the last phase.
        CREATE TABLE exported_variable (
            job INTEGER NOT NULL REFERENCES job(id) ON DELETE CASCADE,
            name TEXT NOT NULL,
            value TEXT NOT NULL,
            PRIMARY KEY (job, name)
        ) STRICT, WITHOUT ROWID;

        -- One report of tests or of coverage; what a format does not have is null.
        CREATE TABLE report (
            job INTEGER NOT NULL REFERENCES job(id) ON DELETE CASCADE,
            name TEXT NOT NULL,
            format TEXT NOT NULL,
            files INTEGER NOT NULL,
            tests INTEGER,
            passed INTEGER,
            failed INTEGER,
            errored INTEGER,
            skipped INTEGER,
            duration REAL,
            lines INTEGER,
            lines_covered INTEGER,
            branches INTEGER,
            branches_covered INTEGER,
            PRIMARY KEY (job, name)
        ) STRICT, WITHOUT ROWID;
        """
}
