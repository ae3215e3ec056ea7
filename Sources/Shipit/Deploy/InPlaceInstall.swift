import ArtifactKit
import Glibc

/// Installs a release among the files of others, and can put those that it replaced back until the deployment is over.
///
/// Under the lock of the target, which the caller holds.
struct InPlaceInstall {
    /// Where the releases are, and what is known of the installation.
    let target: Target
    /// Where the files go: `/`, or a folder.
    let place: String
    let plan: DeploymentPlan
    let say: @Sendable (String) -> Void

    static let group = "files"
    /// What an appspec is called in messages.
    private static let file = "appspec.yml"

    private func root() throws -> InstallRoot {
        // Somebody may clear the folder that is installed to; the agent makes it anew, too.
        if !FileSystem.exists(place) { try Target.makeSure(of: place) }
        return try InstallRoot(place)
    }

    /// Says what is wrong before anything is touched.
    ///
    /// What is there already is looked at only if no script runs before the installation: a script may well be there to
    /// clear it away.
    func check(_ release: HookRunner.Release, isCertain: Bool) throws {
        let bundle = try InstallRoot(release.bundle)
        if isCertain {
            _ = try installPlan(release, bundle)
        } else {
            _ = try InstallPlanner.plan(
                try files(of: release), Self.file, from: bundle, to: try root(), behavior: .disallow,
                after: CleanupList(), isBlank: true)
        }
    }

    /// Puts the files of a release in the place of those of the one before.
    ///
    /// Until ``commit()`` everything can be taken back. Throws when everything is as it was.
    func install(_ release: HookRunner.Release, check: () throws -> Void = {}) async throws {
        let root = try root(), bundle = try InstallRoot(release.bundle)
        let plan = try installPlan(release, bundle)
        for remark in plan.remarks { say("warning: \(remark)") }
        let transaction = InstallTransaction(
            plan, from: bundle, to: root, state: target.own, group: Self.group,
            id: "\(self.plan.deployment).\(self.plan.token)", lastSuccessful: release.name)
        do {
            try await transaction.apply(check)
        } catch {
            try putBack()
            throw error
        }
        try Failpoint.installExchanged.reach()
        say(
            "installed to \(place): \(plan.copies.count) files, \(plan.folders.count) folders made, \(plan.removals.count) old ones removed"
        )
    }

    /// Puts back what an installation replaced that was not committed.
    func putBack() throws {
        for remark in try InstallTransaction.recover(in: target.own, of: Self.group, at: try root()) { say(remark) }
    }

    /// Keeps what is installed, and removes what was there before.
    func commit() throws {
        try InstallTransaction.commit(in: target.own, of: Self.group)
        try putBack()
    }

    private func installPlan(_ release: HookRunner.Release, _ bundle: InstallRoot) throws -> InstallPlan {
        let root = try root()
        let cleanup = try target.own.readIfThere(InstallTransaction.Files(Self.group).cleanup) ?? []
        return try InstallPlanner.plan(
            try files(of: release), Self.file, from: bundle, to: root, behavior: self.plan.fileExistsBehavior,
            after: CleanupList(parsing: cleanup, below: root.path))
    }

    private func files(of release: HookRunner.Release) throws -> Appspec {
        guard release.hasAppspec || place != "/" else {
            throw ShipitError(
                .failure, "the revision has no appspec.yml, so nothing says where its files go",
                hint: "files: with source and destination says what goes where")
        }
        return release.hasAppspec ? release.appspec : .everything
    }
}
