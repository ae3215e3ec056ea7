import Shipit

/// Sees to it that somebody works while a person waits: a worker that dies is followed by another.
struct WorkerAttention {
    let installation: Installation
    private var quietSince = ContinuousClock.now
    private var patience: Duration = .seconds(5)

    init(installation: Installation) { self.installation = installation }

    /// Something happened: somebody works.
    mutating func notice() {
        quietSince = .now
        patience = .seconds(5)
    }

    /// Starts a worker when nothing has happened for a while; each time it is more patient, as a build may be silent.
    mutating func wait() {
        guard ContinuousClock.now - quietSince >= patience else { return }
        quietSince = .now
        patience = min(patience * 2, .seconds(60))
        look()
    }

    /// Starts a worker if there is work and nobody at it; where systemd is in charge, it is that which does.
    mutating func look() {
        guard !installation.isServedBySystemd else { return }
        // Whoever waits goes on waiting; the next look may find it better.
        try? WorkerStarter.startIfNeeded(installation, program: OwnProgram.path)
    }
}
