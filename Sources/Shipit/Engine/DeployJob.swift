import ArtifactKit
import GitKit
import Glibc

/// Turns a deployment of the ledger into a plan, has it carried out, and records how it ended.
struct DeployJob: Sendable {
    let installation: Installation
    let job: Job
    let run: Run
    let deployment: Deployment
    let policy: Policy
    let log: LogFile

    /// Carries the deployment out; nil when it is live, else what became of it. The ledger does not know yet.
    func perform(_ cancellation: Cancellation) async -> DeploymentFailure? {
        do {
            try Failpoint.deployTaken.reach()
            let artifact = try artifact()
            let isFirst = policy.pipeline.environments.first?.name == job.name
            let isPacked = artifact.digest != nil
            if !isPacked, !isFirst { try await pack(artifact) }
            let plan = try await plan(cancellation)
            let (ledger, log) = (installation.ledger, log)
            let announce: @Sendable (String) throws -> Void = {
                try ledger.progress(job, log.masked("\(job.name): \($0)"))
            }
            try await Deployer(plan: plan, log: log, announce: announce).deploy(cancellation) {
                if !isPacked, isFirst { try await pack(artifact) }
            }
            return nil
        } catch {
            let failure = error as? DeploymentFailure ?? DeploymentFailure(cause: .errored, message: "\(error)")
            for line in failure.message.split(separator: "\n") { log.say(String(line)) }
            return failure
        }
    }

    /// The tarball of a revision that has no build, from which every later environment is filled.
    private func pack(_ artifact: Artifact) async throws {
        let tree = TreeArtifact(
            installation: installation, app: run.app, repository: policy.pipeline.repositoryPath(in: installation.home))
        try await onThread { try tree.pack(artifact, run, job, policy, log) }
    }

    private func artifact() throws -> Artifact {
        guard let artifact = try installation.ledger.artifact(deployment.artifact) else {
            throw ShipitError(.failure, "the ledger has no artifact for run \(run.id)", hint: "shipit fsck")
        }
        return artifact
    }

    /// Records how it ended. May be tried again until it succeeds: the targets are as they are.
    func record(_ failure: DeploymentFailure?, duration: Duration) throws {
        if let failure { return try recordFailure(failure, duration: duration) }
        try Failpoint.deployBeforeFinish.reach()
        try installation.ledger.finishDeployment(
            job, deployment, duration: duration, policy: policy, notes: notes())
        log.say(
            "\(deployment.environment) is live at \(deployment.revision.abbreviated()), release \(deployment.release ?? 0)"
        )
    }

    func recordFailure(_ failure: DeploymentFailure, duration: Duration) throws {
        let live = try installation.ledger.environment(job.app, job.name).live
        var reason = failure.message.split(separator: "\n").first.map(String.init) ?? failure.message
        if failure.isLeftAsItIs {
            reason +=
                "; look at \(policy.pipeline.environment(job.name)?.targets.first ?? ""), then shipit rollback \(job.name)"
        } else if let live {
            reason += "; \(job.name) stays at \(live.revision.abbreviated())"
        } else {
            reason += "; nothing is live in \(job.name)"
        }
        let notes = notes()
        if let irreversible = notes.irreversible {
            reason += "; CAREFUL: it had marked itself irreversible: \(irreversible)"
        }
        let status: Status =
            switch failure.cause {
            case .failed: .failed
            case .errored: .errored
            case .cancelled: .cancelled
            }
        // A health check's command or a script's name can hold one.
        let ending = Ending(status, log.masked(reason), duration: duration)
        try installation.ledger.endDeployment(
            job, deployment, as: ending, isLive: failure.isLeftAsItIs && isOnDisk, notes: notes)
    }

    /// What the targets tell of it.
    func notes() -> DeploymentNotes {
        guard let environment = policy.pipeline.environment(job.name) else { return DeploymentNotes() }
        return DeploymentNotes(of: deployment.id, in: installation.home.stores(run.app, environment))
    }

    /// Whether a target's `current` names this deployment's release, whatever else went wrong.
    private var isOnDisk: Bool {
        guard let environment = policy.pipeline.environment(job.name) else { return false }
        return installation.home.stores(run.app, environment).contains { path in
            LiveRelease(at: path)?.number == deployment.release
        }
    }

    /// The plan, from the policy that the job was made under and from what the ledger knows.
    ///
    /// `puttingBack`: variables that cannot be read are left out rather than keep the old release from coming back.
    func plan(puttingBack: Bool = false, _ cancellation: Cancellation? = nil) async throws -> DeploymentPlan {
        guard let environment = policy.pipeline.environment(job.name) else {
            throw ShipitError(.configuration, "the policy of run \(run.id) has no environment \(job.name)")
        }
        guard let number = deployment.release else {
            throw ShipitError(.failure, "the ledger has no release for run \(run.id)", hint: "shipit fsck")
        }
        let home = installation.home
        let place = deployment.kind == .rollback ? nil : try place(try artifact())
        let file = try await settings(puttingBack: puttingBack, cancellation)
        var hooks: [LifecycleEvent: String] = [:]
        for event in LifecycleEvent.ofDeployment + LifecycleEvent.ofShipit
        where FileSystem.exists(home.hook(run.app, event)) {
            hooks[event] = home.hook(run.app, event)
        }
        let previous = try deployment.previous.flatMap { try installation.ledger.deployment($0) }
        return DeploymentPlan(
            deployment: deployment.id, token: deployment.token,
            kind: deployment.kind == .rollback ? .reactivate : .install,
            owner: TargetOwner(app: run.app, environment: job.name, home: home.path), run: run.id, attempt: job.attempt,
            revision: deployment.revision, previousRevision: previous?.revision,
            previousRelease: previous.flatMap { deployment in
                deployment.release.map { ReleaseName.of($0, deployment.revision) }
            },
            release: ReleaseName.of(number, deployment.revision),
            artifact: place, targets: environment.targets,
            shared: environment.shared, health: environment.health, putsBack: environment.onFailure == .rollback,
            variables: file.variables, runVariables: try installation.ledger.variables(of: run.id),
            secrets: file.secrets, serverHooks: hooks,
            usesSpare: environment.spare, runas: environment.runas, hookTimeout: environment.hookTimeout.inSeconds,
            layout: environment.layout, fileExistsBehavior: environment.fileExistsBehavior,
            accounts: environment.accounts,
            ignoresStopFailures: environment.ignoresStopFailures || job.ignoresStopFailures,
            skipsRollbackHook: job.skipsRollbackHook,
            hasView: environment.hasView,
            reserved: installation.reserved)
    }

    /// Variables and secrets, hidden from the log before anything of them can get there.
    private func settings(puttingBack: Bool, _ cancellation: Cancellation?) async throws -> EnvironmentFile {
        let sources = SecretSources(installation, run.app, job.name, policy.pipeline)
        let isComplete = try !installation.ledger.goesWithoutSecrets(job)
        if !isComplete { log.say("what commands tell is left out, as asked") }
        do {
            return try await sources.settings(
                isComplete: isComplete, say: { log.say($0) }, hide: { log.mask($0) }, cancellation)
        } catch {
            if !puttingBack, deployment.kind == .rollback, !(error is CancellationError) {
                throw ShipitError(
                    .failure, ((error as? ShipitError)?.message ?? "\(error)"),
                    hint: "shipit rollback \(job.name) --app \(run.app) --without-secrets goes back without it")
            }
            guard puttingBack else { throw error }
            log.knowsNotAll()
            log.say("some secrets are left out: \(error)")
        }
        do {
            return try await sources.settings(isComplete: false, hide: { log.mask($0) })
        } catch {
            log.say("the variables are left out: \(error)")
            return EnvironmentFile()
        }
    }

    private func place(_ artifact: Artifact) throws -> DeploymentPlan.ArtifactPlace {
        guard let manifest = artifact.manifest else {
            throw ShipitError(
                .failure, "the artifact of \(run.revision.abbreviated()) was made by an older shipit",
                hint: "shipit start \(run.revision.abbreviated()) --rebuild makes it again")
        }
        let home = installation.home
        if artifact.digest == nil {
            // What a power cut took of it is made again.
            let tree = TreeArtifact(
                installation: installation, app: run.app,
                repository: policy.pipeline.repositoryPath(in: installation.home))
            let aside = try ArtifactStore(home.artifacts(run.app)).aside(job)
            _ = try tree.manifest(of: artifact, aside: aside)
        }
        return DeploymentPlan.ArtifactPlace(
            manifest: home.artifact(run.app, ArtifactStore.manifestName(of: artifact.file)), digest: manifest,
            source: DeploymentPlan.Source(
                artifact, home, repository: policy.pipeline.repositoryPath(in: installation.home)))
    }
}

extension DeploymentPlan.Source {
    /// The tarball if there is one, else the revision in the repository.
    init(_ artifact: Artifact, _ home: Home, repository: String) {
        if let digest = artifact.digest {
            self = .tarball(
                home.artifact(artifact.app, artifact.file),
                description: home.artifact(artifact.app, ArtifactStore.descriptionName(of: artifact.file)),
                digest: digest)
        } else {
            self = .repository(repository)
        }
    }
}
