import GRDB

/// How rows go, with all that belongs to them.
extension Database {
    /// The row of an artifact whose file is gone, unless something points to it.
    func dropArtifact(_ id: Int64) throws {
        try execute(
            cached: """
                DELETE FROM artifact WHERE id = ?1 AND removed_at IS NOT NULL
                AND NOT EXISTS (SELECT 1 FROM deployment WHERE artifact = ?1)
                AND NOT EXISTS (SELECT 1 FROM job WHERE artifact = ?1)
                """, arguments: [id])
    }

    /// The oldest runs of an app; false when there are none.
    func dropRuns(of app: String, most: Int) throws -> Bool {
        let runs = try Int64.fetchAll(
            self, cached: "SELECT id FROM run WHERE app = ? ORDER BY id LIMIT ?", arguments: [app, most])
        try drop(runs: runs, of: app)
        return !runs.isEmpty
    }

    /// Runs of one app, oldest first, with all that belongs to them; what pointed to them points nowhere afterwards.
    func drop(runs: [Int64], of app: String) throws {
        guard let newest = runs.last else { return }
        let before = try Int64.fetchOne(
            self, cached: "SELECT min(id) FROM event WHERE run = ?", arguments: [newest])
        var lastPush: Int64 = 0
        for run in runs {
            let artifacts = try Int64.fetchSet(
                self,
                sql: """
                    SELECT artifact FROM job WHERE run = ?1 AND artifact IS NOT NULL UNION
                    SELECT deployment.artifact FROM job JOIN deployment ON deployment.job = job.id WHERE job.run = ?1
                    """, arguments: [run])
            let pushes = try Int64.fetchSet(
                self, sql: "SELECT push FROM push_update WHERE run = ?", arguments: [run])
            try execute(cached: "DELETE FROM event WHERE run = ?", arguments: [run])
            try execute(cached: "DELETE FROM push_update WHERE run = ?", arguments: [run])
            for push in pushes { try dropPush(push) }
            lastPush = max(lastPush, pushes.max() ?? 0)
            try execute(
                cached: """
                    UPDATE deployment SET previous = NULL WHERE previous IN
                    (SELECT deployment.id FROM job JOIN deployment ON deployment.job = job.id WHERE job.run = ?)
                    """, arguments: [run])
            try execute(cached: "DELETE FROM run WHERE id = ?", arguments: [run])
            for artifact in artifacts { try dropArtifact(artifact) }
        }
        // What happened before these runs and belongs to none goes with them.
        try execute(
            cached: "DELETE FROM event WHERE run IS NULL AND id < ? AND app = ?", arguments: [before ?? 0, app])
        let idle = try Int64.fetchSet(
            self, sql: "SELECT push FROM push_update WHERE app = ? AND push < ? AND run IS NULL",
            arguments: [app, lastPush])
        try execute(
            cached: "DELETE FROM push_update WHERE app = ? AND push < ? AND run IS NULL", arguments: [app, lastPush])
        for push in idle { try dropPush(push) }
    }

    private func dropPush(_ push: Int64) throws {
        try execute(
            cached: "DELETE FROM push WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM push_update WHERE push = ?1)",
            arguments: [push])
    }
}
