public import GitKit

/// A rollback while a deployment runs: that one is what is wrong, so it is stopped, and what is live stays live.
public struct RunningDeployment: Sendable {
    public let app: String
    public let environment: String
    public let run: Int64
    public let revision: Revision
    /// What stays live; nil when nothing is.
    public let live: Deployment?
    private let job: Job

    /// Nil when nothing runs there but perhaps a rollback.
    public static func find(_ installation: Installation, _ app: App, _ name: String?) throws -> RunningDeployment? {
        let environment = try name.map(app.environment) ?? Rollback.defaultEnvironment(installation, app)
        let open = try installation.ledger.openDeployments(app: app.name, environment: environment.name)
        guard let job = open.first(where: { $0.status == .running && $0.backTo == nil && $0.cancelledBy == nil }),
            let run = try installation.ledger.run(job.run)?.run
        else { return nil }
        let state = try installation.ledger.environment(app.name, job.name)
        try Rollback.checkHold(state)
        return RunningDeployment(
            app: app.name, environment: job.name, run: run.id, revision: run.revision, live: state.live, job: job)
    }

    /// Asks the worker to stop it and to put back what it touched.
    public func stop(_ installation: Installation, reason: String?) throws {
        try installation.ledger.rollBack(running: job, revision, by: installation.person, reason: reason)
    }
}

extension Rollback {
    /// Two people who are woken by the same alarm must not go back twice.
    static func checkOthers(_ installation: Installation, _ app: App, _ environment: EnvironmentPolicy) throws {
        let open = try installation.ledger.openDeployments(app: app.name, environment: environment.name)
        guard let other = open.first(where: { $0.backTo != nil }) else { return }
        throw ShipitError(
            .busy, "\(environment.name) is being rolled back already, by \(other.by ?? "somebody") in run \(other.run)",
            hint: "shipit log \(other.run) -f follows it; --to REVISION goes elsewhere after it")
    }
}
