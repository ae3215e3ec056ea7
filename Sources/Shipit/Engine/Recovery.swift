import ArtifactKit
import Glibc
import Logging

/// Takes up what a worker that is gone left behind: builds start over, deployments are put back first.
///
/// Can be interrupted at any point and run again.
struct Recovery: Sendable {
    let installation: Installation
    let worker: Int64
    let logger: Logger

    func run() async throws {
        for job in try installation.ledger.abandonedJobs(notOf: worker) {
            logger.warning("run \(job.run): \(job.name) was interrupted")
            do {
                ProcessSweep.end(marked: SecretSources.mark(installation.home, job.app, job.name))
                switch job.kind {
                case .build:
                    ProcessSweep.end(marked: "build-\(installation.home.path)-\(job.id)-\(job.attempt)")
                    try installation.ledger.takeUpAgain(job, because: "the worker died")
                case .deploy: try await recover(job)
                }
            } catch {
                logger.error("run \(job.run): \(job.name) could not be taken up again: \(error)")
                try installation.ledger.end(job, as: Ending(.errored, "the worker died: \(error)", duration: .zero))
            }
        }
    }

    private func recover(_ job: Job) async throws {
        guard let run = try installation.ledger.run(job.run)?.run,
            let deployment = try installation.ledger.deployment(of: job.id)
        else {
            try installation.ledger.takeUpAgain(job, because: "the worker died")
            return
        }
        let policy = try installation.policy(of: job)
        _ = try Directory(creating: installation.home.run(job.run), mode: 0o700)
        // Without its secrets the log is still needed; nothing that runs now is told them.
        let secrets = (try? SecretSources(installation, job.app, job.name, policy.pipeline).fileSecrets()) ?? []
        let log = try LogFile(at: installation.home.log(job.run, job.name), masker: Masker(secrets: secrets))
        log.say("the worker died during attempt \(job.attempt)")
        let deploy = DeployJob(
            installation: installation, job: job, run: run, deployment: deployment, policy: policy, log: log)
        let ledger = installation.ledger
        let deployer = Deployer(plan: try await deploy.plan(puttingBack: true), log: log) {
            try ledger.progress(job, log.masked("\(job.name): \($0)"))
        }
        let hadSucceeded: Bool
        do {
            hadSucceeded = try await deployer.recover()
        } catch {
            logger.error("run \(job.run): \(job.name) could not be put back: \(error)")
            try deploy.recordFailure(
                DeploymentFailure(
                    cause: .errored, message: "the worker died, and putting back failed: \(error)", isLeftAsItIs: true),
                duration: .zero)
            return
        }
        if hadSucceeded {
            log.say("the deployment had succeeded before the worker died")
            try ledger.finishDeployment(job, deployment, duration: .zero, policy: policy, notes: deploy.notes())
        } else {
            // It may never come to an end of its own.
            if let reason = deploy.notes().irreversible { try ledger.mark(deployment, irreversible: reason) }
            try ledger.takeUpAgain(job, because: "the worker died")
        }
    }
}
