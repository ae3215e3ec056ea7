import ArtifactKit

/// What a worker has to do with logs and with those who are told what happens.
extension Worker {
    func openLog(_ job: Job) throws -> LogFile {
        let folder = installation.home.run(job.run)
        _ = try Directory(creating: folder, mode: 0o700)
        let policy = try installation.policy(of: job).pipeline
        let secrets = try SecretSources(installation, job.app, job.name, policy).fileSecrets()
        return try LogFile(at: installation.home.log(job.run, job.name), masker: Masker(secrets: secrets))
    }

    /// Nobody waits to be told something that could be told now.
    func isIdle(_ notifier: Notifier) -> Bool {
        // A ledger that cannot be read now is met again by whoever comes next.
        (try? notifier.isIdle()) ?? true
    }

    /// Something was written after the last look of who tells.
    var hasNews: Bool {
        (try? Notifier.isNeeded(installation)) ?? false  // as above
    }
}
