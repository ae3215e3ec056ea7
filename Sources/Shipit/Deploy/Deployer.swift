import ArtifactKit
import GitKit
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
    struct Stage {
        let target: Target
        let release: HookRunner.Release
        let previous: HookRunner.Release?
        let hooks: HookRunner
        /// For files that go among those of others.
        let install: InPlaceInstall?
    }

    // MARK: Deploying

    /// Returns when the release is live, verified and recorded in every target; throws `DeploymentFailure`.
    ///
    /// A cancellation stops the script that runs and puts everything back. `complete` is what else must be done before
    /// the deployment may be called a success; when it fails, everything is put back too.
    func deploy(_ cancellation: Cancellation, complete: () async throws -> Void = {}) async throws {
        let stages: [Stage], locks: StubLocks?
        do {
            (stages, locks) = try await prepare(cancellation)
        } catch {
            // Nothing was touched that anybody can see.
            throw failure(error)
        }
        defer { withExtendedLifetime(locks) {} }
        do {
            for stage in stages { try await leave(behind: stage, cancellation) }
            var checks: [DeploymentNotes.Check] = []
            for stage in stages { checks = try await bringLive(stage, cancellation) }
            try await complete()
            // Lost to a power cut before the ledger knows: then it is put back and done again.
            for stage in stages {
                var done = try stage.target.result(of: plan.deployment) ?? result(stage, .began)
                done.irreversible = irreversible(stage.hooks.marks) ?? done.irreversible
                done.checks = checks
                try stage.target.write(done.with(.succeeded), sync: plan.kind == .reactivate || stage.install != nil)
                try stage.target.pruneResults()
                stage.hooks.marks?.remove()
            }
            try Failpoint.deployResultWritten.reach()
        } catch {
            throw await afterFailure(failure(error), stages)
        }
        for stage in stages { commit(stage.install) }
    }

    /// What was there before is of no use any more; what cannot be removed is removed by the next deployment.
    func commit(_ install: InPlaceInstall?) {
        do {
            try install?.commit()
        } catch {
            log.say("warning: what was replaced in \(install?.place ?? "") is still aside: \(error)")
        }
    }

    private func afterFailure(_ failure: DeploymentFailure, _ stages: [Stage]) async -> DeploymentFailure {
        var failure = failure
        log.say(failure.message)
        // One that cannot be put back must not keep the others from it.
        for stage in stages.reversed() {
            do {
                if plan.putsBack {
                    try await putBack(stage.target, stage.hooks.target)
                } else if try leave(stage) {
                    failure.isLeftAsItIs = true
                }
            } catch {
                failure.cause = .errored
                failure.isLeftAsItIs = true
                let trouble = self.failure(error).message
                failure.message += "; and putting \(stage.hooks.target) back failed too: \(trouble)"
                log.say("putting \(stage.hooks.target) back failed: \(trouble)")
            }
        }
        return failure
    }

    /// Leaves a target as it is, because policy says so; false when nothing had been touched.
    private func leave(_ stage: Stage) throws -> Bool {
        guard var began = try stage.target.result(of: plan.deployment),
            try began.hasBegun || stage.target.live() == plan.release
        else { return false }
        try stage.release.view?.takeStubs(.retain)
        commit(stage.install)
        began.irreversible = irreversible(stage.hooks.marks) ?? began.irreversible
        try stage.target.write(began.with(.left))
        stage.hooks.marks?.remove()
        return true
    }

    /// In a script's words, which can tell what it was told: without it.
    func irreversible(_ marks: Marks?) -> String? {
        marks?.irreversible.map {
            log.hidesAll ? log.masked($0) : "its words are left out, since its secrets are not known"
        }
    }

    /// Everything that can go wrong before anybody notices: all targets are ready, checked, journalled and on the disk.
    private func prepare(_ cancellation: Cancellation) async throws -> ([Stage], StubLocks?) {
        var stages: [Stage] = []
        do {
            for path in plan.targets {
                stages.append(try await prepare(try Target(path, for: plan), path))
            }
            var synced: Set<UInt64> = []
            for stage in stages where plan.kind == .install {
                let device = try stage.target.root.status().device
                if synced.insert(device).inserted { try stage.target.root.syncFileSystem() }
            }
            let locks = try await prepareViews(stages, cancellation)
            try Failpoint.deployJournalled.reach()
            return (stages, locks)
        } catch {
            // A release that was never live is of no use; a leftover is removed by the next deployment or by gc.
            if plan.kind == .install { for stage in stages { try? stage.target.removeRelease(plan.release) } }
            throw error
        }
    }

    /// `path` is what the policy calls it.
    private func prepare(_ target: Target, _ path: String) async throws -> Stage {
        var hooks = HookRunner(plan: plan, target: path, log: log, announce: announce)
        hooks.marks = try Marks(in: target.own, of: plan.deployment)
        let install = inPlace(target, path)
        try install?.settle()
        do {
            let appspec = try await ReleaseFolder(
                target: target, plan: plan, say: { log.say($0) }, check: hooks.checkPermissions
            ).prepare()
            let release = release(plan.release, try target.bundle(of: plan.release), appspec, in: target)
            try hooks.check(
                release, plan.installs ? LifecycleEvent.ofDeployment : [.applicationStart, .validateService])
            let previous = try previous(target, hooks)
            if let previous, runsRollbackHook { try hooks.check(previous, [.rollback]) }
            try install?.check(
                release,
                isCertain: !hooks.hasScripts(.beforeInstall, of: release)
                    && !(previous.map { hooks.hasScripts(.applicationStop, of: $0) } ?? false))
            let stage = Stage(
                target: target, release: release, previous: previous, hooks: hooks, install: install)
            // A new release comes with a sync of the file system; one that was there comes with none.
            try target.write(result(stage, .began), sync: plan.kind == .reactivate)
            return stage
        } catch {
            if plan.kind == .install { try? target.removeRelease(plan.release) }  // as in prepare()
            throw error
        }
    }

    func inPlace(_ target: Target, _ path: String) -> InPlaceInstall? {
        let log = log
        return plan.layout == .inPlace
            ? InPlaceInstall(target: target, place: path, plan: plan, say: { log.say($0) }) : nil
    }

    /// The live release with its own scripts; one whose folder is gone has none to run.
    private func previous(_ target: Target, _ hooks: HookRunner) throws -> HookRunner.Release? {
        guard let name = try target.live() else { return nil }
        guard try target.hasRelease(name) else {
            log.say("the live release \(name) is gone from \(target.path), so its ApplicationStop is left out")
            return release(name, try target.bundle(of: name), Appspec(), in: target)
        }
        do {
            return try release(name, in: target)
        } catch {
            guard plan.ignoresStopFailures else { throw stopFailure(error) }
            log.say("warning: the ApplicationStop of \(name) is left out, as asked: \(error)")
            return release(name, try target.bundle(of: name), Appspec(), in: target)
        }
    }

    // MARK: Switching

    private var runsRollbackHook: Bool { plan.kind == .reactivate && !plan.skipsRollbackHook }

    /// The live release undoes what the older one could not live with, while nothing is touched yet.
    private func leave(behind stage: Stage, _ cancellation: Cancellation) async throws {
        // A rollback that was interrupted after its switch has done that already.
        guard let previous = stage.previous, runsRollbackHook, previous.name != plan.release else { return }
        do {
            try await stage.hooks.run(.rollback, of: previous, cancellation)
        } catch {
            var failure = failure(error)
            guard failure.cause != .cancelled else { throw failure }
            let name = "\(plan.owner.environment) --app \(plan.owner.app)"
            failure.message +=
                "; nothing was touched; shipit rollback \(name) --to \(plan.revision.abbreviated()) --skip-rollback-hook goes back without it"
            throw failure
        }
    }

    /// A script of the live release must not keep every other from taking its place (AWS reference 1.14, Q3).
    private func stop(
        _ previous: HookRunner.Release, _ stage: Stage, _ cancellation: Cancellation, _ began: () throws -> Void
    ) async throws {
        do {
            try await stage.hooks.run(.applicationStop, of: previous, cancellation, began: began)
        } catch {
            if failure(error).cause == .cancelled { throw error }
            guard plan.ignoresStopFailures else { throw stopFailure(error) }
            log.say("warning: \(failure(error).message); going on, as asked")
        }
    }

    private func stopFailure(_ error: any Error) -> DeploymentFailure {
        var failure = failure(error)
        let name = "\(plan.owner.environment) --app \(plan.owner.app)"
        let command =
            plan.kind == .install
            ? "promote \(plan.revision.abbreviated()) --to \(name)"
            : "rollback \(name) --to \(plan.revision.abbreviated())"
        let way =
            "that script is the live release's; shipit \(command) --ignore-application-stop-failures goes on without it"
        // The first line is what people are told.
        let lines = failure.message.split(separator: "\n", maxSplits: 1)
        failure.message = (["\(lines.first ?? ""); \(way)"] + lines.dropFirst().map(String.init)).joined(
            separator: "\n")
        return failure
    }

    /// Makes sure that scripts can see the releases where they expect them, before anything is touched.
    private func prepareViews(_ stages: [Stage], _ cancellation: Cancellation) async throws -> StubLocks? {
        guard let view = stages.lazy.compactMap({ $0.release.view ?? $0.previous?.view }).first else { return nil }
        if let obstacle = await View.obstacle() {
            throw ShipitError(
                .failure,
                "hook scripts cannot see the release at \(visibleLine(view.destinations[0])): no mount namespace can be had here: \(obstacle)",
                hint: View.hint)
        }
        guard plan.installs else { return nil }
        let locks = try await lockStubs(stages.compactMap(\.release.view), cancellation)
        for stage in stages {
            try stage.release.view?.check(reserved: plan.reserved + plan.targets)
            try await stage.release.view?.makeStubs(as: stage.hooks.owner)
        }
        return locks
    }

    /// Held until nothing of the deployment can be left in them.
    func lockStubs(_ views: [View], _ cancellation: Cancellation?) async throws -> StubLocks? {
        guard !views.isEmpty else { return nil }
        return try await StubLocks(
            Set(views.flatMap(\.destinations)), in: Home(plan.owner.home).stubs, cancellation
        ) { reason in
            log.say("waiting: \(reason)")
            try announce("waiting: \(reason)")
        }
    }

    /// Gives what it passed.
    private func bringLive(_ stage: Stage, _ cancellation: Cancellation) async throws -> [DeploymentNotes.Check] {
        let (target, hooks, release) = (stage.target, stage.hooks, stage.release)
        var journal = result(stage, .began)
        func journalled(_ change: (inout TargetResult) -> Void) throws {
            change(&journal)
            try target.write(journal)
        }
        try cancellation.check()
        if let previous = stage.previous {
            try await stop(previous, stage, cancellation) { try journalled { $0.stopBegan = true } }
        }
        try Failpoint.deployStopped.reach()
        if plan.installs {
            let before = try await hooks.run(.beforeInstall, of: release, cancellation) {
                try journalled { $0.installBegan = true }
            }
            try Failpoint.deployScriptsRan.reach()
            try release.view?.takeStubs(release.appspec.fileExistsBehavior ?? plan.fileExistsBehavior)
            try Failpoint.deployReady.reach()
            if let install = stage.install {
                try journalled { $0.installBegan = true }
                try announce("Install to \(install.place)")
                try await install.install(release) { try cancellation.check() }
                // These files are the live ones from now on, whose scripts stop them.
                try target.switchCurrent(to: release.name)
            }
            // What the scripts wrote into the release must be on the disk before it is live.
            let after = try await hooks.run(.afterInstall, of: release, cancellation)
            if after || before && release.view != nil { try target.root.syncFileSystem() }
        }
        try cancellation.check()
        try Failpoint.deployBeforeSwitch.reach()
        try target.switchCurrent(to: release.name)
        log.say("\(target.path)/current -> releases/\(release.name)")
        try Failpoint.deployAfterSwitch.reach()
        try await hooks.run(.applicationStart, of: release, cancellation) { try journalled { $0.startBegan = true } }
        try Failpoint.deployStarted.reach()
        var checks: [DeploymentNotes.Check] = []
        if try await hooks.run(.validateService, of: release, cancellation) { checks.append(.validateService) }
        try await checkHealth(stage, cancellation)
        if plan.health != nil { checks.append(.health) }
        try cancellation.check()
        try Failpoint.deployValidated.reach()
        return checks
    }

    private func result(_ stage: Stage, _ state: TargetResult.State) -> TargetResult {
        // An interrupted rollback may have left `current` at its own goal; where it came from the ledger knows.
        let live = stage.previous?.name
        let from = plan.kind == .reactivate ? plan.previousRelease ?? live : live
        var result = TargetResult(
            deployment: plan.deployment, token: plan.token, state: state, from: from, to: plan.release)
        // What an earlier attempt did to the world is not undone by a new one.
        // A result that cannot be read tells nothing, and is written anew.
        result.irreversible = (try? stage.target.result(of: plan.deployment))?.irreversible
        return result
    }

    func failure(_ error: any Error) -> DeploymentFailure {
        switch error {
        case let failure as DeploymentFailure: failure
        case is CancellationError: DeploymentFailure(cause: .cancelled, message: "cancelled")
        case let error as Diagnostics: DeploymentFailure(cause: .failed, message: error.description)
        default: DeploymentFailure(cause: .errored, message: "\(error)")
        }
    }

    func release(_ name: String, in target: Target) throws -> HookRunner.Release {
        let bundle = try target.bundle(of: name)
        let appspec = try ReleaseFolder.appspec(in: bundle) { log.say($0) }
        return release(name, bundle, appspec.naming(plan.accounts), in: target)
    }

    func release(_ name: String, _ bundle: String, _ appspec: Appspec, in target: Target) -> HookRunner.Release {
        let path = target.path(of: name)
        let view = plan.layout == .releases && plan.hasView ? View(appspec, release: path) : nil
        return HookRunner.Release(name: name, path: path, bundle: bundle, appspec: appspec, view: view)
    }
}
