import ArtifactKit

/// What was live becomes live again.
extension Deployer {
    /// What a worker that died left of this attempt: adopted when every target says that it succeeded, else put back.
    ///
    /// Can itself be interrupted and run again. Returns whether the deployment had succeeded.
    func recover() async throws -> Bool {
        let targets = try plan.targets.filter { FileSystem.exists(plan.store(of: $0)) }
            .map { (target: try Target($0, for: plan), path: $0) }
        let results = try targets.compactMap { try $0.target.result(of: plan.deployment) }
            .filter { $0.token == plan.token }
        try Failpoint.recoveryBegan.reach()
        if results.count == plan.targets.count, results.allSatisfy({ $0.state == .succeeded }) {
            for (target, path) in targets { commit(inPlace(target, path)) }
            return true
        }
        ProcessSweep.end(marked: plan.mark)
        ProcessSweep.end(marked: plan.backMark)
        let views = try targets.compactMap { target, _ in
            try target.hasRelease(plan.release) ? try stillReadable(plan.release, in: target).view : nil
        }
        let locks = try await lockStubs(views, nil)
        defer { withExtendedLifetime(locks) {} }
        for (target, path) in targets.reversed() { try await putBack(target, path) }
        return false
    }

    /// Makes what was live in a target live again, as far as this attempt touched it, and takes its release away.
    func putBack(_ target: Target, _ path: String) async throws {
        try Failpoint.putBackBegan.reach()
        let install = inPlace(target, path)
        let marks = try Marks(in: target.own, of: plan.deployment)
        guard var began = try journal(of: target), began.state == .began || began.state == .succeeded else {
            ProcessSweep.end(marked: plan.mark)
            try install?.settle()
            if plan.kind == .install, try target.live() != plan.release { try? target.removeRelease(plan.release) }
            return
        }
        var hooks = HookRunner(plan: plan, target: path, log: log, announce: announce)
        hooks.isPuttingBack = true
        if began.startBegan {
            do {
                try await hooks.run(.applicationStop, of: try release(began.to, in: target))
            } catch {
                log.say("the failed release could not be stopped by its own script: \(error)")
            }
        }
        ProcessSweep.end(marked: plan.mark)
        // What a script left where the release was to be seen goes with the release.
        if plan.kind == .install, began.installBegan ?? false, try target.hasRelease(began.to) {
            try stillReadable(began.to, in: target).view?.takeStubs(.retain)
        }
        if let irreversible = irreversible(marks) {
            began.irreversible = irreversible
            try target.write(began)
            log.say(
                "CAREFUL: the deployment marked itself irreversible (\(irreversible)), and what was live is put back all the same"
            )
        }
        marks.remove()
        let former = try began.from.map { try stillReadable($0, in: target) }
        let wasInstalled = try await install?.putBack(to: former) ?? false
        let wasSwitched = try target.live() != began.from
        // A locked ledger must not keep the old release from coming back.
        if let from = began.from { try? announce("putting back \(from)") }
        if wasSwitched {
            try target.switchCurrent(to: began.from)
            log.say("\(target.path)/current is back at \(began.from ?? "nothing")")
        }
        try Failpoint.putBackSwitched.reach()
        if let former, wasSwitched || began.stopBegan || began.startBegan || install != nil && began.hasBegun {
            if wasInstalled { try await hooks.run(.afterInstall, of: former) }
            try await hooks.run(.applicationStart, of: former)
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

    /// What cannot be read of it must not keep it from being live again.
    private func stillReadable(_ name: String, in target: Target) throws -> HookRunner.Release {
        do {
            return try release(name, in: target)
        } catch {
            log.say("warning: the scripts of \(name) are left out: \(error)")
            return release(name, try target.bundle(of: name), Appspec(), in: target)
        }
    }
}
