import GRDB
public import GitKit

extension Ledger {
    /// The deployments of a revision with all that belongs to them, newest first in each environment; a hundred of each.
    public func stories(app: String, revision: Revision) throws -> [DeploymentStory] {
        try read { db in
            let names = try String.fetchAll(
                db, cached: "SELECT name FROM environment WHERE app = ?", arguments: [app])
            return try names.flatMap { name in
                try Deployment.fetchAll(
                    db,
                    cached: """
                        SELECT * FROM deployment WHERE app = ? AND environment = ? AND revision = ?
                        ORDER BY id DESC LIMIT 100
                        """, arguments: [app, name, revision.hex])
            }.compactMap { try db.story(of: $0) }
        }
    }

    /// Those of a run, in their order.
    public func stories(of run: RunRecord) throws -> [DeploymentStory] {
        try read { db in
            try run.jobs.filter { $0.kind == .deploy }.compactMap { job in
                try Deployment.fetchOne(
                    db, cached: "SELECT * FROM deployment WHERE job = ?", arguments: [job.id])
            }.compactMap { try db.story(of: $0) }
        }
    }

    public func story(of deployment: Deployment) throws -> DeploymentStory? {
        try read { try $0.story(of: deployment) }
    }
}

extension Database {
    fileprivate func story(of deployment: Deployment) throws -> DeploymentStory? {
        guard let run = try Run.fetchOne(self, cached: "SELECT * FROM run WHERE id = ?", arguments: [deployment.run])
        else { return nil }
        let job = try Job.fetchOne(self, cached: "SELECT * FROM job WHERE id = ?", arguments: [deployment.job])
        let wentLive = try wentLive(deployment)
        let replacement = wentLive ? try replacement(of: deployment) : nil
        return DeploymentStory(
            deployment: deployment, run: run, why: job?.why ?? run.reason, isAsked: job?.by != nil,
            isEmergency: deployment.isEmergency || job?.isEmergency ?? false,
            approvals: try approvals(of: deployment), reports: try reports(of: deployment),
            liveFrom: wentLive ? deployment.endedAt ?? deployment.createdAt : nil,
            liveUntil: replacement.map { $0.endedAt ?? $0.createdAt }, replacement: replacement,
            replacementReason: try replacement.flatMap(reason(of:)), bad: try bad(deployment))
    }

    /// One that did not succeed may have been left live, because policy says so.
    private func wentLive(_ deployment: Deployment) throws -> Bool {
        if deployment.status == .succeeded { return true }
        return try Int.fetchOne(
            self,
            cached: """
                SELECT EXISTS (SELECT 1 FROM environment WHERE app = ?1 AND name = ?2 AND (live = ?3 OR previous = ?3))
                OR EXISTS (SELECT 1 FROM deployment WHERE previous = ?3)
                """, arguments: [deployment.app, deployment.environment, deployment.id]) == 1
    }

    private func replacement(of deployment: Deployment) throws -> Deployment? {
        if let next = try Deployment.fetchOne(
            self,
            cached: """
                SELECT * FROM deployment WHERE app = ? AND environment = ? AND id > ? AND status = 'succeeded'
                ORDER BY id LIMIT 1
                """, arguments: [deployment.app, deployment.environment, deployment.id])
        {
            return next
        }
        let live = try environmentState(deployment.app, deployment.environment).live
        return live.flatMap { $0.id > deployment.id ? $0 : nil }
    }

    private func reason(of deployment: Deployment) throws -> String? {
        try String.fetchOne(
            self,
            cached: "SELECT coalesce(job.why, run.reason) FROM job JOIN run ON run.id = job.run WHERE job.id = ?",
            arguments: [deployment.job])
    }

    private func approvals(of deployment: Deployment) throws -> [DeploymentStory.Approval] {
        try Row.fetchAll(
            self, cached: "SELECT by, at, reason FROM approval WHERE used_by = ? ORDER BY id",
            arguments: [deployment.id]
        ).map { DeploymentStory.Approval(by: $0["by"], at: $0["at"], reason: $0["reason"]) }
    }

    private func reports(of deployment: Deployment) throws -> [BuildReport] {
        let build = try Int64.fetchOne(
            self,
            cached: """
                SELECT job.id FROM artifact JOIN job ON job.run = artifact.run AND job.position = 0
                WHERE artifact.id = ? AND job.kind = 'build'
                """, arguments: [deployment.artifact])
        return try build.map(reports(ofJob:)) ?? []
    }

    private func bad(_ deployment: Deployment) throws -> BadMark? {
        let row = try Row.fetchOne(
            self,
            cached: """
                SELECT by, at, reason FROM bad_revision WHERE app = ?1 AND environment = ?2 AND revision = ?3
                AND NOT EXISTS (SELECT 1 FROM deployment
                    WHERE app = ?1 AND environment = ?2 AND revision = ?3 AND id > ?4)
                """,
            arguments: [deployment.app, deployment.environment, deployment.revision.hex, deployment.id])
        return row.map { BadMark(by: $0["by"], at: $0["at"], reason: $0["reason"]) }
    }
}
