import ArtifactKit
import Glibc

/// Carries out a plan: all targets prepared first, then switched in turn; any failure puts all back.
///
/// Knows no ledger and no policy; what it did stands in each target's results.
struct Deployer: Sendable {
    let plan: DeploymentPlan
    let log: LogFile
    /// Tells people about a step.
    let announce: @Sendable (String) throws -> Void

    /// A target with what was found out while it was prepared.
    private struct Stage {
        let target: Target
        let release: HookRunner.Release
        let previous: HookRunner.Release?
        let hooks: HookRunner
    }

    // MARK: Deploying

    /// Returns when the release is live, verified and recorded in every target; throws `DeploymentFailure`.
    ///
    /// A cancellation stops the script that runs and puts everything back. `complete` is what else must be done before
    /// the deployment may be called a success; when it fails, everything is put back too.
    func deploy(_ cancellation: Cancellation, complete: () async throws -> Void = {}) async throws {
        let stages: [Stage]
        do {
            stages = try prepare()
        } catch {
            // Nothing was touched that anybody can see.
            throw failure(error)
        }
        do {
            for stage in stages { try await bringLive(stage, cancellation) }
            try await complete()
            // Lost to a power cut before the ledger knows: then it is put back and done again.
            for stage in stages {
                let began = try stage.target.result(of: plan.deployment) ?? result(stage, .began)
                try stage.target.write(began.with(.succeeded), sync: plan.kind == .reactivate)
                try stage.target.pruneResults()
            }
            try Failpoint.deployResultWritten.reach()
        } catch {
            throw await afterFailure(failure(error), stages)
        }
    }

    private func afterFailure(_ failure: DeploymentFailure, _ stages: [Stage]) async -> DeploymentFailure {
        var failure = failure
        log.say(failure.message)
        do {
            for stage in stages.reversed() {
                if plan.putsBack {
                    try await putBack(stage.target)
                } else if let began = try stage.target.result(of: plan.deployment) {
                    try stage.target.write(began.with(.left))
                    failure.isLeftAsItIs = true
                }
            }
        } catch {
            failure.cause = .errored
            failure.isLeftAsItIs = true
            failure.message += "; and putting back failed too: \(error)"
            log.say("putting back failed: \(error)")
        }
        return failure
    }

    /// Everything that can go wrong before anybody notices: all targets are ready, checked, journalled and on the disk.
    private func prepare() throws -> [Stage] {
        var stages: [Stage] = []
        do {
            for path in plan.targets {
                let target = try Target(path, for: plan)
                stages.append(try prepare(target))
            }
            var synced: Set<UInt64> = []
            for stage in stages where plan.kind == .install {
                let device = try stage.target.root.status().device
                if synced.insert(device).inserted { try stage.target.root.syncFileSystem() }
            }
        } catch {
            // A release that was never live is of no use; a leftover is removed by the next deployment or by gc.
            if plan.kind == .install { for stage in stages { try? stage.target.removeRelease(plan.release) } }
            throw error
        }
        try Failpoint.deployJournalled.reach()
        return stages
    }

    private func prepare(_ target: Target) throws -> Stage {
        let hooks = HookRunner(plan: plan, target: target.path, log: log, announce: announce)
        do {
            let appspec = try ReleaseFolder(target: target, plan: plan, say: { log.say($0) }).prepare()
            let release = HookRunner.Release(
                name: plan.release, path: target.path(of: plan.release), bundle: try target.bundle(of: plan.release),
                appspec: appspec)
            let events: [LifecycleEvent] =
                plan.kind == .install
                ? LifecycleEvent.ofDeployment
                : [.applicationStart, .validateService]
            try hooks.check(release, events)
            let stage = Stage(target: target, release: release, previous: try previous(target, hooks), hooks: hooks)
            // A new release comes with a sync of the file system; one that was there comes with none.
            try target.write(result(stage, .began), sync: plan.kind == .reactivate)
            return stage
        } catch {
            if plan.kind == .install { try? target.removeRelease(plan.release) }  // as in prepare()
            throw error
        }
    }

    /// The live release with its own scripts; one whose folder is gone has none to run.
    private func previous(_ target: Target, _ hooks: HookRunner) throws -> HookRunner.Release? {
        guard let name = try target.live() else { return nil }
        let bundle = try target.bundle(of: name)
        guard try target.hasRelease(name) else {
            log.say("the live release \(name) is gone from \(target.path), so its ApplicationStop is left out")
            return HookRunner.Release(name: name, path: target.path(of: name), bundle: bundle, appspec: Appspec())
        }
        return HookRunner.Release(
            name: name, path: target.path(of: name), bundle: bundle,
            appspec: try ReleaseFolder.appspec(in: bundle) { log.say($0) })
    }

    private func bringLive(_ stage: Stage, _ cancellation: Cancellation) async throws {
        let (target, hooks, release) = (stage.target, stage.hooks, stage.release)
        var journal = result(stage, .began)
        func journalled(_ change: (inout TargetResult) -> Void) throws {
            change(&journal)
            try target.write(journal)
        }
        try cancellation.check()
        if let previous = stage.previous {
            try await hooks.run(.applicationStop, of: previous, cancellation) { try journalled { $0.stopBegan = true } }
        }
        try Failpoint.deployStopped.reach()
        if plan.kind == .install {
            try await hooks.run(.beforeInstall, of: release, cancellation)
            try Failpoint.deployReady.reach()
            // What the scripts wrote into the release must be on the disk before it is live.
            let ran = try await hooks.run(.afterInstall, of: release, cancellation)
            if ran { try target.root.syncFileSystem() }
        }
        try cancellation.check()
        try Failpoint.deployBeforeSwitch.reach()
        try target.switchCurrent(to: release.name)
        log.say("\(target.path)/current -> releases/\(release.name)")
        try Failpoint.deployAfterSwitch.reach()
        try await hooks.run(.applicationStart, of: release, cancellation) { try journalled { $0.startBegan = true } }
        try Failpoint.deployStarted.reach()
        try await hooks.run(.validateService, of: release, cancellation)
        try await checkHealth(stage, cancellation)
        try cancellation.check()
        try Failpoint.deployValidated.reach()
    }

    private func result(_ stage: Stage, _ state: TargetResult.State) -> TargetResult {
        // An interrupted rollback may have left `current` at its own goal; where it came from the ledger knows.
        let live = stage.previous?.name
        let from = plan.kind == .reactivate ? plan.previousRelease ?? live : live
        return TargetResult(
            deployment: plan.deployment, token: plan.token, state: state, from: from, to: plan.release)
    }

    private func failure(_ error: any Error) -> DeploymentFailure {
        switch error {
        case let failure as DeploymentFailure: failure
        case is CancellationError: DeploymentFailure(cause: .cancelled, message: "cancelled")
        case let error as Diagnostics: DeploymentFailure(cause: .failed, message: error.description)
        default: DeploymentFailure(cause: .errored, message: "\(error)")
        }
    }

    // MARK: Health

    private func checkHealth(_ stage: Stage, _ cancellation: Cancellation) async throws {
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

    // MARK: Putting back

    /// What a worker that died left of this attempt: adopted when every target says that it succeeded, else put back.
    ///
    /// Can itself be interrupted and run again. Returns whether the deployment had succeeded.
    func recover() async throws -> Bool {
        let targets = try plan.targets.filter(FileSystem.exists).map { try Target($0, for: plan) }
        let results = try targets.compactMap { try $0.result(of: plan.deployment) }.filter { $0.token == plan.token }
        try Failpoint.recoveryBegan.reach()
        if results.count == plan.targets.count, results.allSatisfy({ $0.state == .succeeded }) { return true }
        ProcessSweep.end(marked: plan.mark)
        ProcessSweep.end(marked: plan.backMark)
        for target in targets.reversed() { try await putBack(target) }
        return false
    }

    /// Makes what was live in a target live again, as far as this attempt touched it, and takes its release away.
    private func putBack(_ target: Target) async throws {
        try Failpoint.putBackBegan.reach()
        guard let began = try journal(of: target), began.state == .began || began.state == .succeeded else {
            ProcessSweep.end(marked: plan.mark)
            if plan.kind == .install, try target.live() != plan.release { try? target.removeRelease(plan.release) }
            return
        }
        var hooks = HookRunner(plan: plan, target: target.path, log: log, announce: announce)
        hooks.isPuttingBack = true
        if began.startBegan {
            do {
                try await hooks.run(.applicationStop, of: try release(began.to, in: target))
            } catch {
                log.say("the failed release could not be stopped by its own script: \(error)")
            }
        }
        ProcessSweep.end(marked: plan.mark)
        let wasSwitched = try target.live() != began.from
        // A locked ledger must not keep the old release from coming back.
        if let from = began.from { try? announce("putting back \(from)") }
        if wasSwitched {
            try target.switchCurrent(to: began.from)
            log.say("\(target.path)/current is back at \(began.from ?? "nothing")")
        }
        try Failpoint.putBackSwitched.reach()
        if let from = began.from, wasSwitched || began.stopBegan || began.startBegan {
            try await hooks.run(.applicationStart, of: try release(from, in: target))
        }
        try target.write(began.with(.putBack))
        // The failed release is of no use to anybody; a leftover is removed by the next deployment or by gc.
        if plan.kind == .install { try? target.removeRelease(plan.release) }
    }

    /// What this attempt wrote; where that is lost or of an earlier attempt, what the live release tells.
    private func journal(of target: Target) throws -> TargetResult? {
        if let result = try target.result(of: plan.deployment), result.token == plan.token { return result }
        guard plan.kind == .install, try target.live() == plan.release else { return nil }
        var result = TargetResult(
            deployment: plan.deployment, token: plan.token, state: .began, from: plan.previousRelease, to: plan.release)
        result.stopBegan = true
        result.startBegan = true
        return result
    }

    private func release(_ name: String, in target: Target) throws -> HookRunner.Release {
        let bundle = try target.bundle(of: name)
        return HookRunner.Release(
            name: name, path: target.path(of: name), bundle: bundle,
            appspec: try ReleaseFolder.appspec(in: bundle) { log.say($0) })
    }
}
