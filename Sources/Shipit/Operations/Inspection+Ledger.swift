extension Inspection {
    /// False when rows hold what no shipit writes, so that nothing else can be judged.
    mutating func inspectLedger() throws -> Bool {
        let ledger = installation.ledger
        let damage = try ledger.integrityProblems() + ledger.unreadableRows().map { "\($0.place): \($0.what)" }
        for problem in damage {
            find(
                .ledgerDamaged, at: ledger.path, problem,
                remedy:
                    "what is live stays live; put a copy of the ledger back, or shipit remove and shipit init the app")
        }
        if try ledger.synchronousMode() < 2 || ledger.journalMode() != "wal" {
            find(
                .ledgerNotDurable, at: ledger.path, "it would lose acknowledged pushes at a power cut",
                remedy: "move \(installation.home.path) to a local file system")
        }
        guard damage.isEmpty else { return false }
        for problem in try ledger.contradictions() {
            find(
                .ledgerContradiction, at: problem.place, problem.what,
                remedy: "the ledger was changed by hand or by a fault of shipit: keep a copy of it, and report it")
        }
        try inspectJobs()
        try inspectApps()
        return true
    }

    private mutating func inspectJobs() throws {
        guard isAttended else {
            for job in try installation.ledger.openJobs().map(\.job) {
                let isRunning = job.status == .running
                find(
                    .jobUnattended, isRunning ? .error : .warning, at: "run \(job.run)",
                    isRunning
                        ? "\(job.name) runs by the ledger, and no worker lives"
                        : "\(job.name) is queued, and nobody works",
                    remedy: isRunning ? "shipit work takes it up again" : "shipit work")
            }
            return
        }
        guard let worker = try installation.ledger.lastWorker() else { return }
        for job in running where job.worker != worker.id {
            find(
                .jobUnattended, at: "run \(job.run)", "\(job.name) runs by the ledger under a worker that is gone",
                remedy: "wait for the worker that lives now (process \(worker.pid)) to take it up")
        }
    }

    private mutating func inspectApps() throws {
        let known = try installation.ledger.knownApps()
        for app in apps where known[app.name] != app.pipeline.repository {
            let what =
                known[app.name].map { "the ledger has it with the repository \($0)" } ?? "the ledger does not know it"
            find(
                .appUnknown, at: installation.home.policy(app.name), what,
                remedy: "shipit init \(app.pipeline.repository) --app \(app.name)", repair: .setUp(app: app.name))
        }
        for name in known.keys.sorted() where !installation.appNames().contains(name) {
            find(
                .appWithoutPolicy, at: installation.home.policy(name),
                "the ledger knows the app, and there is no policy",
                remedy: "put the policy back")
        }
    }
}
