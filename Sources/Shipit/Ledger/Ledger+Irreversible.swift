import GRDB
import GitKit

extension Ledger {
    /// Deployments of an environment that nobody can go back over, oldest first: those after the one with the id.
    ///
    /// Also those that failed: what they did to the world may be done all the same.
    public func irreversible(app: String, environment: String, after id: Int64) throws -> [Deployment] {
        try read { db in
            try Deployment.fetchAll(
                db,
                cached: """
                    SELECT * FROM deployment WHERE app = ? AND environment = ? AND id > ? AND irreversible IS NOT NULL
                    ORDER BY id
                    """, arguments: [app, environment, id])
        }
    }

    /// Marks a deployment, unless it is marked already.
    public func mark(_ deployment: Deployment, irreversible reason: String) throws {
        try write { try $0.keep(DeploymentNotes(irreversible: reason), of: deployment) }
    }

    /// Takes the marks of the release that is live, and of what came after it, back; gives how many there were.
    public func markReversible(app: String, environment: String, by: String) throws -> Int {
        try write { db in
            guard let live = try db.environmentState(app, environment).live else { return 0 }
            try db.execute(
                cached: """
                    UPDATE deployment SET irreversible = NULL
                    WHERE app = ? AND environment = ? AND (id >= ? OR release = ?) AND irreversible IS NOT NULL
                    """, arguments: [app, environment, live.id, live.release])
            let count = db.changesCount
            if count > 0 {
                try db.say(
                    .deploymentMarked, app: app, run: live.run, job: live.job,
                    "\(environment): \(by) says that one can go back over \(live.revision.abbreviated())")
            }
            return count
        }
    }

    // MARK: A deployment that is wrong while it runs

    /// The deployments that run or wait for their turn in an environment, oldest first.
    func openDeployments(app: String, environment: String) throws -> [Job] {
        try read { db in
            try Job.fetchAll(
                db,
                cached: """
                    SELECT * FROM job WHERE \(Job.isOpen) AND app = ? AND name = ? AND kind = 'deploy' ORDER BY id
                    """, arguments: [app, environment])
        }
    }

    /// Stops a deployment that runs, marks its revision bad and holds automatic promotions: what is live stays.
    func rollBack(running job: Job, _ revision: Revision, by: String, reason: String?) throws {
        try write { db in
            try db.execute(
                cached: "UPDATE job SET cancelled_by = ? WHERE id = ? AND status = 'running' AND cancelled_by IS NULL",
                arguments: ["\(by), who rolled back", job.id])
            guard db.changesCount == 1 else {
                throw ShipitError(
                    .busy, "run \(job.run) moved on meanwhile", hint: "shipit status shows it; then try again")
            }
            let live = try db.environmentState(job.app, job.name).live
            if live?.revision != revision { try db.markBad(revision, job.app, job.name, by: by, reason: reason) }
            try db.say(
                .cancelRequested, app: job.app, run: job.run, job: job.id,
                "\(job.name): \(by) rolled back while \(revision.abbreviated()) was being deployed")
            if try db.hold(job.app, job.name) == nil {
                let words = "\(revision.abbreviated()) was rolled back while it was being deployed"
                try db.place(
                    Hold(kind: .rollback, reason: words, by: by, since: .now, until: nil), job.app, job.name)
            }
            try steer(db, job.app, .looked)
        }
    }
}

extension Database {
    /// Refuses a rollback that was decided when something else was live, and one that is on its way already.
    func checkRollback(to goal: Int64, in environment: String, of app: String, from live: Int64) throws {
        let now = try Int64.fetchOne(
            self, cached: "SELECT live FROM environment WHERE app = ? AND name = ?", arguments: [app, environment])
        guard now == live else {
            throw ShipitError(
                .busy, "\(environment) moved on meanwhile", hint: "shipit status shows it; then try again")
        }
        let other = try Int64.fetchOne(
            self, cached: "SELECT run FROM job WHERE \(Job.isOpen) AND back_to = ? LIMIT 1", arguments: [goal])
        guard let other else { return }
        throw ShipitError(
            .busy, "\(environment) is being rolled back to that already, in run \(other)",
            hint: "shipit log \(other) -f follows it")
    }

    /// Writes down what the targets told; what was marked once stays so.
    func keep(_ notes: DeploymentNotes, of deployment: Deployment) throws {
        if let checks = notes.checksText {
            try execute(cached: "UPDATE deployment SET checks = ? WHERE id = ?", arguments: [checks, deployment.id])
        }
        guard let reason = notes.irreversible else { return }
        try execute(
            cached: "UPDATE deployment SET irreversible = ? WHERE id = ? AND irreversible IS NULL",
            arguments: [reason, deployment.id])
        guard changesCount == 1 else { return }
        try say(
            .deploymentMarked, app: deployment.app, run: deployment.run, job: deployment.job,
            "\(deployment.environment): nobody goes back over \(deployment.revision.abbreviated()) unasked: \(reason)")
    }
}
