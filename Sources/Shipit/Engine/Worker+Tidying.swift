import Logging

/// What follows a job, and is no part of it.
extension Worker {
    /// The references that show what is live, and old releases: after the deployment, never part of it.
    func tidyUp(_ name: String, _ occasion: String, _ environments: (App) -> [EnvironmentPolicy]) async {
        let logger = logger
        do {
            let app = try installation.app(name)
            await showState(of: name)
            for environment in environments(app) {
                try await onThread { [installation] in
                    try Retention(installation: installation).prune(app, environment) { logger.warning("\($0)") }
                }
            }
            let cache = BuildCache(installation.home, name)
            try await onThread { try cache.settle() }
        } catch {
            logger.warning("tidying up \(name) after \(occasion): \(error)")
        }
    }

    /// What the scripts of a deployment that has ended made of the release that is live now.
    func noteScriptEdits(_ deployment: Deployment, _ policy: Policy) async {
        do {
            guard let ended = try installation.ledger.deployment(deployment.id),
                let environment = policy.pipeline.environment(deployment.environment)
            else { return }
            let edits = ScriptEdits(home: installation.home, app: deployment.app, environment: environment)
            await onThread { [logger] in edits.note(of: ended) { logger.warning("\($0)") } }
        } catch {
            logger.warning("what hook scripts edited in \(deployment.environment) is not noted: \(error)")
        }
    }

    /// Artifacts, logs and runs beyond the limits: a bounded number after each job that ends its run or a deployment.
    func collect(_ name: String, sweeping: Bool = false) async {
        do {
            let app = try installation.app(name)
            let retention = Retention(installation: installation)
            try retention.collect(app)
            if sweeping { try retention.sweep(app) }
        } catch {
            logger.warning("retention of \(name): \(error)")
        }
    }
}
