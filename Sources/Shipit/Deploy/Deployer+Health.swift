/// Whether a new release works.
extension Deployer {
    /// After ValidateService, until the deadline.
    func checkHealth(_ stage: Stage, _ cancellation: Cancellation) async throws {
        guard let health = plan.health else { return }
        let deadline = ContinuousClock.now + .seconds(health.within)
        try announce("health check on \(stage.target.path)")
        var obstacle: String?
        repeat {
            try cancellation.check()
            obstacle = try await ask(health.probe, stage, deadline, cancellation)
            if obstacle == nil {
                log.say("the health check passed")
                return
            }
            try await Task.sleep(for: .milliseconds(100))
        } while ContinuousClock.now < deadline
        let time = Duration.seconds(health.within).spoken
        throw DeploymentFailure(
            cause: .failed, message: "the health check did not pass within \(time): \(obstacle ?? "")")
    }

    private func ask(
        _ probe: HealthCheck.Probe, _ stage: Stage, _ deadline: ContinuousClock.Instant, _ cancellation: Cancellation
    ) async throws -> String? {
        let rest = max(.milliseconds(100), deadline - ContinuousClock.now)
        switch probe {
        case .url(let url):
            guard let probe = HTTPProbe(url: url) else { return "\(url) is not an http URL" }
            return await onThread { probe.obstacle(within: min(5, rest.inSeconds)) }
        case .command(let words):
            guard let program = words.first.flatMap(Self.find) else {
                return "there is no program \(words.first ?? "")"
            }
            var environment = Command.plainEnvironment.merging(plan.variables) { $1 }
            environment["SHIPIT_TARGET"] = stage.target.path
            environment["SHIPIT_RELEASE_DIR"] = stage.release.path
            environment["SHIPIT_ENVIRONMENT"] = plan.owner.environment
            let command = Command(
                program, Array(words.dropFirst()), environment: environment, in: stage.release.path,
                mark: "\(plan.mark).health")
            let log = log
            let outcome = try await Program.run(command, limit: rest, cancellation: cancellation) { log.output($0) }
            log.finish()
            if outcome.stopped == .cancelled { throw CancellationError() }
            return outcome.isSuccess ? nil : "\(words[0]) ended with \(outcome.exit)"
        }
    }

    private static func find(_ program: String) -> String? {
        if program.hasPrefix("/") { return FileSystem.exists(program) ? program : nil }
        return Command.find(program)
    }
}
