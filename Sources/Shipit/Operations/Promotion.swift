public import GitKit

/// What a promotion would do, found out before anything is done.
public struct Promotion: Hashable, Sendable {
    public let environment: String
    public let artifact: Artifact
    /// The run that waits for exactly this; nil when a new run is made.
    public let waiting: Job?
    /// The deployment that is live there now.
    public let live: Deployment?
    /// Skips the environment before and whatever else it would wait for, holds and pauses excepted.
    public var isEmergency = false

    public var revision: Revision { artifact.revision }

    /// Chooses what to promote, or says why nothing can be. Hold first, then what is live, bad and verified.
    ///
    /// `isPlan`: only to look at, so that neither a hold nor who promoted it already stands in the way.
    public static func choose(
        _ installation: Installation, _ app: App, revision: Revision?, to name: String?, isEmergency: Bool = false,
        isPlan: Bool = false
    ) throws -> Promotion {
        let environment = try environment(installation, app, revision, name)
        let ledger = installation.ledger
        let state = try ledger.environment(app.name, environment.name)
        if !isPlan, let hold = state.hold, hold.kind == .hold {
            throw ShipitError(
                .busy, "\(environment.name) is held by \(hold.by) since \(hold.since.local): \(hold.reason)",
                hint: "shipit unhold \(environment.name) lifts the hold")
        }
        let artifact = try artifact(ledger, app, revision, environment, state, isEmergency)
        let waiting = try waiting(ledger, app, environment.name, artifact)
        if !isPlan, !isEmergency, let waiting, let by = waiting.by {
            throw ShipitError(
                .unavailable, "run \(waiting.run) was promoted by \(by) already and waits: \(waiting.reason ?? "")",
                hint: "shipit show \(waiting.run)")
        }
        return Promotion(
            environment: environment.name, artifact: artifact, waiting: waiting, live: state.live,
            isEmergency: isEmergency)
    }

    private static func artifact(
        _ ledger: Ledger, _ app: App, _ revision: Revision?, _ environment: EnvironmentPolicy,
        _ state: EnvironmentState, _ isEmergency: Bool
    ) throws -> Artifact {
        guard let before = app.pipeline.before(environment.name) else {
            guard let revision else {
                throw ShipitError(
                    .usage, "\(environment.name) takes pushes; a promotion to it needs a revision",
                    hint: "shipit promote REVISION --to \(environment.name), or shipit start")
            }
            return try newest(ledger, app, revision)
        }
        if isEmergency, let revision, try ledger.wasVerified(revision, app: app.name, environment: before.name) == nil {
            return try newest(ledger, app, revision)
        }
        let verified = try verified(ledger, app, revision, before, environment)
        if revision == nil {
            if state.live?.revision == verified.revision, state.live?.artifact == verified.artifact {
                throw ShipitError(
                    .unavailable,
                    "nothing to promote: \(verified.revision.abbreviated()) is live in \(environment.name) already",
                    hint: "naming it deploys it again: shipit promote \(verified.revision.abbreviated())")
            }
            if try ledger.badRevisions(app: app.name, environment: environment.name).contains(verified.revision) {
                throw ShipitError(
                    .unavailable,
                    "\(verified.revision.abbreviated()) was rolled back in \(environment.name) and is marked bad",
                    hint: "if it is meant: shipit promote \(verified.revision.abbreviated())")
            }
        }
        guard let artifact = try ledger.artifact(verified.artifact), artifact.removedAt == nil else {
            throw ShipitError(
                .unavailable, "the artifact of \(verified.revision.abbreviated()) is gone",
                hint: "shipit start \(verified.revision.abbreviated()) --rebuild makes it again")
        }
        return artifact
    }

    private static func newest(_ ledger: Ledger, _ app: App, _ revision: Revision) throws -> Artifact {
        if let artifact = try ledger.artifacts(app: app.name, revision: revision).first { return artifact }
        throw ShipitError(
            .unavailable, "there is no artifact of \(revision.abbreviated())",
            hint: "shipit start \(revision.abbreviated()) builds it")
    }

    /// What a waiting job would do if it went on.
    public static func of(_ waiting: Job, _ installation: Installation) throws -> Promotion {
        guard let id = waiting.artifact, let artifact = try installation.ledger.artifact(id) else {
            throw ShipitError(.failure, "the ledger has no artifact for run \(waiting.run)", hint: "shipit fsck")
        }
        let live = try installation.ledger.environment(waiting.app, waiting.name).live
        return Promotion(environment: waiting.name, artifact: artifact, waiting: waiting, live: live)
    }

    private static func waiting(_ ledger: Ledger, _ app: App, _ name: String, _ artifact: Artifact) throws -> Job? {
        try ledger.openRuns(app: app.name).compactMap(\.jobs.last).last {
            $0.status == .waiting && $0.kind == .deploy && $0.name == name && $0.artifact == artifact.id
                && $0.backTo == nil
        }
    }

    /// Does it: continues the waiting run, or makes a new one. Gives the run's number.
    public func perform(
        _ installation: Installation, _ app: App, reason: String?, ignoringStopFailures: Bool = false
    ) throws -> Int64 {
        if let waiting {
            try installation.ledger.promote(
                waiting: waiting, by: installation.person, policy: app.policy, reason: reason,
                ignoringStopFailures: ignoringStopFailures, isEmergency: isEmergency)
            return waiting.run
        }
        return try installation.ledger.promote(
            artifact, to: environment, by: installation.person, reason: reason, policy: app.policy,
            ignoringStopFailures: ignoringStopFailures, isEmergency: isEmergency)
    }

    private static func environment(
        _ installation: Installation, _ app: App, _ revision: Revision?, _ name: String?
    ) throws -> EnvironmentPolicy {
        let environments = app.pipeline.chain
        if let name { return try app.environment(name) }
        guard environments.count > 1 else {
            throw ShipitError(
                .unavailable, "nothing to promote: \(app.name) has one environment, and pushes go there",
                hint: "a second environment in pipeline.yml makes promotions")
        }
        // The first step on the way that has something to do; the last one when all is done.
        for (before, environment) in zip(environments, environments.dropFirst()) {
            let there = try installation.ledger.environment(app.name, environment.name).live
            if let revision {
                let isVerified =
                    try installation.ledger.wasVerified(revision, app: app.name, environment: before.name) != nil
                if there?.revision != revision, isVerified { return environment }
            } else if let live = try installation.ledger.environment(app.name, before.name).live,
                live.status == .succeeded, there?.artifact != live.artifact
            {
                return environment
            }
        }
        return environments[environments.count - 1]
    }

    private static func verified(
        _ ledger: Ledger, _ app: App, _ revision: Revision?, _ before: EnvironmentPolicy,
        _ environment: EnvironmentPolicy
    ) throws -> Deployment {
        if let revision {
            if let deployment = try ledger.wasVerified(revision, app: app.name, environment: before.name) {
                return deployment
            }
            throw ShipitError(
                .unavailable, "\(revision.abbreviated()) was never verified live in \(before.name)",
                hint:
                    "shipit promote \(revision.abbreviated()) --to \(before.name) brings it there first; shipit revisions lists others"
            )
        }
        guard let live = try ledger.environment(app.name, before.name).live else {
            throw ShipitError(
                .unavailable, "nothing to promote: nothing is live in \(before.name) yet",
                hint: "git push deploys to \(before.name)")
        }
        guard live.status == .succeeded else {
            throw ShipitError(
                .unavailable,
                "\(live.revision.abbreviated()) in \(before.name) did not pass its checks: \(live.reason ?? "")",
                hint: "shipit rollback \(before.name), or push a revision that works")
        }
        return live
    }
}

extension App {
    /// The environment of that name, or the error that lists them.
    public func environment(_ name: String) throws -> EnvironmentPolicy {
        if let environment = pipeline.environment(name) { return environment }
        let names = pipeline.environments.map(\.name)
        let meant = suggestion(for: name, among: names).map { "did you mean \($0)?" }
        throw ShipitError(
            .usage, "\(self.name) has no environment \(visibleLine(name))",
            hint: meant ?? "the environments are \(names.joined(separator: ", "))")
    }
}
