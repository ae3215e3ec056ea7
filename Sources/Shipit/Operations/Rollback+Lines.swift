public import GitKit

/// Lines that a deployment drew behind itself: what it did to the world cannot be undone by going back.
extension Rollback {
    /// Deployments that are marked irreversible and lie between what would be live again and now, oldest first.
    ///
    /// One that failed counts too: its migration may have run.
    public static func lines(
        _ installation: Installation, _ app: App, _ environment: String, backTo goal: Deployment
    ) throws -> [Deployment] {
        try installation.ledger.irreversible(app: app.name, environment: environment, after: goal.id)
    }

    /// Whether going back over these revisions is known to be unsafe: where they were deployed so far, they were marked.
    ///
    /// For a plan: in an environment that has not seen them yet nobody knows more. Newest first.
    public static func knownLines(
        _ installation: Installation, _ app: App, of revisions: Set<Revision>
    ) throws -> [Deployment] {
        try app.pipeline.environments.flatMap {
            try installation.ledger.irreversible(app: app.name, environment: $0.name, after: 0)
        }.filter { revisions.contains($0.revision) }.sorted { $0.id > $1.id }
    }

    /// What is wrong with the release that it goes back to, at a glance; nil when nothing is known to be.
    ///
    /// Only told: hook scripts may have changed it on purpose, and taking that back would be the worse surprise.
    public func damage(_ installation: Installation, _ app: App) throws -> String? {
        let environment = try app.environment(self.environment)
        guard let number = to.release else { return nil }
        let release = ReleaseName.of(number, to.revision)
        return installation.home.stores(app.name, environment).lazy.compactMap { store in
            Drift.of(environment, at: store, release: release, most: 200_000, until: .now + .milliseconds(300))
        }.first(where: \.isThere)?.words
    }

    static func refusal(_ line: Deployment, _ goal: Deployment) -> ShipitError {
        let failed = line.status == .succeeded ? "" : ", which \(line.status.rawValue) after that"
        return ShipitError(
            .unavailable,
            "\(line.environment) cannot go back to \(goal.revision.abbreviated()) unasked: \(line.revision.abbreviated()) (run \(line.run), \(line.by), \(line.createdAt.local)\(failed)) is marked irreversible: \(line.irreversible ?? "")",
            hint:
                "if the older release can live with that: shipit rollback \(line.environment) --to \(goal.revision.abbreviated()) --across-irreversible"
        )
    }
}
