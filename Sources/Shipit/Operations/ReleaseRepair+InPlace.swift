import ArtifactKit
import GitKit
import Glibc

extension ReleaseRepair.Done {
    /// What hook scripts did, alone or before somebody else.
    mutating func leave(_ differences: [ReleaseCheck.Difference]) {
        for difference in differences {
            if difference.isByScripts, byScripts.last != difference.path {
                byScripts.append(difference.path)
            } else if difference.wasByScripts, unclear.last != difference.path {
                unclear.append(difference.path)
            }
        }
    }
}

/// Files among those of others: exactly what the deployment brought and still owns is put back, from the kept release.
extension ReleaseRepair {
    /// Each file is made aside with its mode and owner, and all are exchanged under a journal, as they were installed.
    func repairInstalled(_ target: Target, _ release: String, at place: String, all: Bool) async throws -> Done {
        let again = "shipit promote \(live.revision.abbreviated()) --to \(environment.name) deploys it again"
        guard try target.hasRelease(release),
            try ReleaseCheck(release, in: target.root, target.path)?.damage.isEmpty == true
        else {
            throw ShipitError(
                .failure, "the release \(target.path)/releases/\(release) is not whole itself", hint: again)
        }
        let bundle = try target.bundle(of: release)
        let plan = DeploymentPlan(
            deployment: live.id, token: live.token, kind: .reactivate,
            owner: TargetOwner(app: app.name, environment: environment.name, home: installation.home.path),
            run: live.run, attempt: 1, revision: live.revision, release: release, targets: [place], shared: [],
            putsBack: true, variables: [:], secrets: [], serverHooks: [:], usesSpare: false, hookTimeout: 0,
            layout: .inPlace, accounts: environment.accounts)
        let install = InPlaceInstall(target: target, place: place, plan: plan) { _ in }
        guard try install.installed() == release, try !install.isUnfinished() else {
            throw ShipitError(
                .failure, "an installation to \(place) was cut short, so it is not known what belongs there",
                hint: again)
        }
        var done = Done(target: place, release: release, place: place == "/" ? "" : place)
        let check = try InstalledCheck(release, of: environment, in: target.root, at: place)
        let wanted = check.differences.filter { all || !$0.isByScripts && !$0.wasByScripts }
        if !all { done.leave(check.differences) }
        guard !wanted.isEmpty else { return done }
        let appspec = try ReleaseFolder.appspec(in: bundle) { _ in }
        let blocked = try await install.restore(
            Set(wanted.map(\.name)),
            of: HookRunner.Release(
                name: release, path: target.path(of: release), bundle: bundle,
                appspec: appspec.naming(environment.accounts)))
        for difference in wanted {
            if blocked.contains(difference.name) {
                if done.blocked.last != difference.path { done.blocked.append(difference.path) }
            } else if done.restored.last != difference.path {
                done.restored.append(difference.path)
            }
        }
        return done
    }
}
