import Glibc

/// One look at everything that shipit keeps: what it finds, and what was seen that breaks no promise.
struct Inspection {
    let installation: Installation
    let setup: Setup
    let apps: [App]
    /// A worker holds the lock of this home.
    let isAttended: Bool
    /// A worker is at it, or was a moment ago: what lies about now may be in use.
    let isBusy: Bool
    /// Deployments and builds that run by the ledger.
    let running: [Job]
    var findings: [Finding] = []
    var notes: [String] = []

    init(_ installation: Installation, _ setup: Setup, only name: String?) throws {
        self.installation = installation
        self.setup = setup
        let open = try installation.ledger.openJobs().map(\.job)
        running = open.filter { $0.status == .running }
        isAttended = WorkerLock.isHeld(installation.home)
        let newest = try installation.ledger.lastEventTime()
        let isFresh = newest.map { abs(Timestamp.now.milliseconds - $0.milliseconds) < 30_000 } ?? false
        isBusy = isAttended && (!open.isEmpty || isFresh)
        let (all, problems) = installation.apps()
        apps = all.filter { name == nil || $0.name == name }
        for problem in problems {
            let lines = "\(problem)".split(separator: "\n").map(String.init)
            find(
                .policyUnreadable, at: installation.home.apps, lines.first ?? "a policy cannot be read",
                remedy: "shipit validate shows all of it")
        }
    }

    /// Looks at everything, from the ledger outwards.
    mutating func run() async throws {
        guard try inspectLedger() else { return }
        try inspectHome()
        try inspectSpool()
        try await inspectApprovals()
        for app in apps {
            try inspectArtifacts(of: app)
            try inspectTargets(of: app)
            try await inspectRepository(of: app)
        }
    }

    mutating func find(
        _ code: Finding.Code, _ severity: Finding.Severity = .error, at place: String, _ what: String, remedy: String,
        repair: Repair? = nil
    ) {
        findings.append(Finding(code, severity, at: place, what, remedy: remedy, repair: repair))
    }
}
