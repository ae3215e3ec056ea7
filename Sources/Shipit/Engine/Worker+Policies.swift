import Logging

extension Worker {
    /// Reads every policy as it stands now: what waits is judged by it, and it says which builds go side by side.
    func readPolicies() throws -> Schedule {
        var schedule = Schedule()
        for app in installation.apps().apps where try installation.ledger.hasApp(app.name) {
            try installation.ledger.look(under: app.policy)
            if app.pipeline.mode == .parallel { schedule.parallel[app.name] = app.pipeline.build.atOnce }
        }
        return schedule
    }
}

extension Worker {
    /// Why it stays though nothing is under way.
    func sayWhatIsNext(_ rhythm: inout Rhythm) {
        guard rhythm.saidTime != rhythm.nextTime else { return }
        rhythm.saidTime = rhythm.nextTime
        if let time = rhythm.nextTime { logger.info("nothing to do before \(time.local), when something may go on") }
    }
}
