import Logging
import Synchronization

/// The next release of each target, prepared off everybody's way.
extension Worker {
    func announcePreparation(_ place: Place) -> Cancellation {
        let preparation = Cancellation()
        preparing.withLock { $0[place] = preparation }
        // Whoever stops the worker says so before it looks for preparations.
        if isStopping.withLock({ $0 }) { preparation.cancel() }
        return preparation
    }

    /// What a worker before this one did not come to the end of.
    func goOnPreparing(_ group: inout ThrowingDiscardingTaskGroup<any Error>) {
        for app in installation.apps().apps {
            for environment in app.pipeline.environments
            where installation.home.stores(app.name, environment).contains(where: SparePreparation.isUnfinished) {
                let place = Place(app: app.name, environment: environment.name)
                let preparation = announcePreparation(place)
                group.addTask { [self] in await prepareSpares(place, preparation) }
            }
        }
    }

    /// Of the next release in each target, off everybody's way; a deployment that begins meanwhile ends it.
    func prepareSpares(_ place: Place, _ cancellation: Cancellation) async {
        let logger = logger
        defer {
            preparing.withLock { $0[place] = nil }
            watch.wake()
        }
        do {
            let app = try installation.app(place.app)
            guard let environment = app.pipeline.environment(place.environment) else { return }
            let targets = installation.home.stores(place.app, environment)
            for target in targets {
                try cancellation.check()
                try await onThread {
                    try SparePreparation.tidy(target, kept: environment.spare) { try cancellation.check() }
                }
            }
            guard environment.spare,
                let live = try installation.ledger.environment(place.app, place.environment).live,
                let release = live.releaseName, let artifact = try installation.ledger.artifact(live.artifact)
            else { return }
            let source = DeploymentPlan.Source(
                artifact, installation.home, repository: app.repositoryPath)
            for target in targets {
                let preparation = SparePreparation(
                    path: target, live: release, shared: environment.shared, source: source
                ) { logger.info("\($0)") }
                try await onThread { try preparation.run { try cancellation.check() } }
            }
        } catch is CancellationError {
            // The deployment that ended it goes first; afterwards there is another preparation.
        } catch {
            logger.warning("no spare release for \(place.app) \(place.environment): \(error)")
        }
    }
}
