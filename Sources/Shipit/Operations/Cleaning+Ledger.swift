/// What the ledger decides on: logs, artifacts and its own rows, and then the room that it takes itself.
extension Cleaning {
    private var ledger: Ledger { installation.ledger }

    func cleanLogs(of app: App, _ report: inout Report) throws {
        if app.pipeline.retention.logs.size != nil {
            while try retention.countLogs(app, most: Retention.most) {}
        }
        func remove(_ run: Int64) { removeNow(installation.home.run(run), &report) }
        if isDryRun { return try ledger.surplusLogs(of: app.pipeline, most: .max).forEach(remove) }
        while try !ledger.forgetLogs(of: app.pipeline, most: Retention.most, deed: remove).isEmpty {}
    }

    func cleanArtifacts(of app: App, in store: ArtifactStore, _ report: inout Report) throws {
        func remove(_ artifact: Artifact) {
            for name in ArtifactStore.files(of: artifact.file) + store.secondaries(of: artifact.file) {
                removeNow(store.path(name), &report)
            }
        }
        if isDryRun { return try ledger.surplusArtifacts(of: app.pipeline, most: .max).forEach(remove) }
        while try !ledger.forgetArtifacts(of: app.pipeline, most: Retention.most, deed: remove).isEmpty {}
    }

    func cleanRuns(of app: App, _ report: inout Report) throws {
        var runs: [Int64] = []
        func remove(_ run: Int64) {
            runs.append(run)
            removeNow(installation.home.run(run), &report)
        }
        if isDryRun {
            try ledger.surplusRuns(of: app.pipeline, most: .max).forEach(remove)
        } else {
            while try !ledger.forgetRuns(of: app.pipeline, most: Retention.most, deed: remove).isEmpty {}
        }
        guard let first = runs.first, let last = runs.last else { return }
        let numbers = first == last ? "run \(first)" : "\(runs.count) runs from \(first) to \(last)"
        report.removed.append(Removed(what: "\(numbers) of \(app.name) from the ledger", bytes: 0))
    }

    /// Folders of runs that are gone, such as those of an app that was removed.
    func cleanStrayLogs(_ report: inout Report) throws {
        try ledger.forgetStrayLogs(retention.runsOnDisk()) { removeNow(installation.home.run($0), &report) }
    }

    /// Rows that go leave empty pages, which the next rows fill. Only when most of the file is empty is it worth writing
    /// what is left anew, while nobody works.
    func cleanLedger(isAlone: Bool, _ report: inout Report) throws {
        let before = ledger.bytes
        let isWorthwhile = try ledger.emptyBytes() > max(16 << 20, before / 2)
        if isDryRun {
            if isAlone, isWorthwhile {
                report.removed.append(Removed(what: "empty pages of \(ledger.path)", bytes: try ledger.emptyBytes()))
            }
            return
        }
        if isAlone, isWorthwhile { try ledger.vacuum() }
        ledger.truncateLog()
        let freed = before - ledger.bytes
        // Its write-ahead log grows to 4 MB again and again.
        if freed > 4 << 20 { report.removed.append(Removed(what: "empty pages of \(ledger.path)", bytes: freed)) }
    }

    /// A path that need not be there, and whose removal cannot be refused any more.
    private func removeNow(_ path: String, _ report: inout Report) {
        guard FileSystem.linkStatus(path) != nil else { return }
        report.removed.append(Removed(what: path, bytes: DiskUsage.of(path)))
        if !isDryRun { Workspaces.remove(path) }
    }
}
