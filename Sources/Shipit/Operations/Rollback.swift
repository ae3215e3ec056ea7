public import GitKit

/// What a rollback would do, found out before anything is done; it needs the ledger and the target's folders alone.
public struct Rollback: Hashable, Sendable {
    public let environment: String
    public let from: Deployment
    public let to: Deployment
    /// Deployments that it goes back over though they are marked irreversible, oldest first.
    public let crossed: [Deployment]

    /// The last release that was verified live before the present one, is not marked bad and is still there.
    ///
    /// `crossing`: also over what is marked irreversible.
    public static func choose(
        _ installation: Installation, _ app: App, _ name: String?, to revision: Revision?, crossing: Bool = false
    ) throws -> Rollback {
        let environment = try name.map(app.environment) ?? defaultEnvironment(installation, app)
        let ledger = installation.ledger
        let state = try ledger.environment(app.name, environment.name)
        try checkHold(state)
        if revision == nil { try checkOthers(installation, app, environment) }
        guard let live = state.live else {
            throw ShipitError(
                .unavailable, "nothing to roll back: nothing is live in \(environment.name)", hint: "shipit status")
        }
        let bad = try ledger.badRevisions(app: app.name, environment: environment.name)
        // A few more than are kept, for those that retention could not remove.
        let candidates = try ledger.goodReleases(
            app: app.name, environment: environment.name, revision: revision, limit: environment.keep + 20
        ) { deployment in
            if deployment.id == live.id || deployment.release == live.release { return false }
            if revision != nil { return true }
            return deployment.id < live.id && deployment.revision != live.revision && !bad.contains(deployment.revision)
        }
        var gone: [Deployment] = []
        for deployment in candidates {
            guard let number = deployment.release else { continue }
            let folder = "releases/\(ReleaseName.of(number, deployment.revision))"
            guard installation.home.stores(app.name, environment).allSatisfy({ FileSystem.isFolder("\($0)/\(folder)") })
            else {
                gone.append(deployment)
                continue
            }
            let lines = try lines(installation, app, environment.name, backTo: deployment)
            if let line = lines.last, !crossing { throw refusal(line, deployment) }
            return Rollback(environment: environment.name, from: live, to: deployment, crossed: lines)
        }
        throw nothing(environment, live, revision, gone)
    }

    /// Makes the run; gives its number.
    public func perform(
        _ installation: Installation, _ app: App, reason: String?, ignoringStopFailures: Bool = false,
        skippingRollbackHook: Bool = false, withoutSecrets: Bool = false
    ) throws -> Int64 {
        try installation.ledger.rollBack(
            to: to, from: from.id, by: installation.person, reason: reason, policy: app.policy,
            ignoringStopFailures: ignoringStopFailures, skippingRollbackHook: skippingRollbackHook,
            withoutSecrets: withoutSecrets)
    }

    static func checkHold(_ state: EnvironmentState) throws {
        guard let hold = state.hold, hold.kind == .hold else { return }
        throw ShipitError(
            .busy, "\(state.name) is held by \(hold.by) since \(hold.since.local): \(hold.reason)",
            hint: "shipit unhold \(state.name) lifts the hold")
    }

    static func defaultEnvironment(_ installation: Installation, _ app: App) throws -> EnvironmentPolicy {
        let environments = app.pipeline.chain
        return try environments.last { try installation.ledger.environment(app.name, $0.name).live != nil }
            ?? environments[environments.count - 1]
    }

    private static func nothing(
        _ environment: EnvironmentPolicy, _ live: Deployment, _ revision: Revision?, _ gone: [Deployment]
    ) -> ShipitError {
        if let revision {
            let short = revision.abbreviated()
            if live.revision == revision {
                return ShipitError(
                    .unavailable, "\(short) is live in \(environment.name) already",
                    hint: "shipit revisions \(environment.name)")
            }
            return ShipitError(
                .unavailable, "no kept release of \(short) worked in \(environment.name)",
                hint: "shipit promote \(short) --to \(environment.name) deploys it from its artifact")
        }
        if let last = gone.first {
            return ShipitError(
                .unavailable,
                "the earlier releases of \(environment.name) are gone; the last was \(last.revision.abbreviated())",
                hint:
                    "shipit promote \(last.revision.abbreviated()) --to \(environment.name) deploys it from its artifact"
            )
        }
        return ShipitError(
            .unavailable, "nothing to roll back to: no earlier release of \(environment.name) worked",
            hint: "shipit revisions \(environment.name) lists what was deployed")
    }
}
