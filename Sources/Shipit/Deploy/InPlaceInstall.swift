import ArtifactKit
import Glibc

/// Installs a release among the files of others, and can put those that it replaced back until the deployment is over.
///
/// Under the lock of the target, which the caller holds. Whoever owns the place may do what he likes there meanwhile: it
/// is opened without following links.
struct InPlaceInstall {
    /// Where the releases are, and what is known of the installation.
    let target: Target
    /// Where the files go: `/`, or a folder.
    let place: String
    let plan: DeploymentPlan
    let say: @Sendable (String) -> Void

    static let group = "files"
    /// What an appspec is called in messages.
    private static let file = Appspec.names[0]

    private var files: InstallTransaction.Files { InstallTransaction.Files(Self.group) }

    /// Says what is wrong before anything is touched.
    ///
    /// What is there already is looked at only if no script runs before the installation: a script may well be there to
    /// clear it away.
    func check(_ release: HookRunner.Release, isCertain: Bool) throws {
        let bundle = try InstallRoot(release.bundle), root = try InstallRoot(real: place)
        _ =
            isCertain
            ? try installPlan(release, bundle, root)
            : try InstallPlanner.plan(
                try appspec(of: release), Self.file, from: bundle, to: root, behavior: .disallow, after: CleanupList(),
                isBlank: true)
    }

    /// Puts the files of a release in the place of those of the one before.
    ///
    /// Until ``commit()`` everything can be taken back. Throws when everything is as it was.
    func install(_ release: HookRunner.Release, check: () throws -> Void = {}) async throws {
        let root = try InstallRoot(real: place), bundle = try InstallRoot(release.bundle)
        let plan = try installPlan(release, bundle, root)
        for remark in plan.remarks { say("warning: \(remark)") }
        do {
            try await transaction(plan, bundle, root, release.name).apply(check)
        } catch {
            try recover()
            throw error
        }
        try Failpoint.installExchanged.reach()
        say(
            "installed to \(place): \(plan.copies.count) files, \(plan.folders.count) folders made, \(plan.removals.count) old ones removed"
        )
    }

    /// Keeps what is installed, and removes what was there before.
    func commit() throws {
        try InstallTransaction.commit(in: target.own, of: Self.group)
        try recover()
    }

    /// Whether an installation is neither kept nor put back.
    func isUnfinished() throws -> Bool {
        try [files.journal, files.back].contains { try target.own.metadata($0) != nil }
    }

    /// What an earlier deployment left unfinished is brought to an end: kept if its release is live, else put back.
    func settle() throws {
        if try target.own.metadata(files.journal) != nil, try installed() == target.live() { return try commit() }
        guard try isUnfinished() else {
            // What is still aside is of no use.
            return try recover()
        }
        try recover()
        let there = try installed()
        if try target.live() != there { try target.switchCurrent(to: there) }
    }

    /// Brings the files of a release back that a deployment took away, and those that its scripts cleared away.
    ///
    /// Nil for what was there before the first. Says whether any file had to be installed again, so that the scripts that
    /// work on new files are needed as well.
    func putBack(to release: HookRunner.Release?) async throws -> Bool {
        try recover()
        guard try installed() == release?.name else {
            // It was kept already.
            try await again(release, only: false)
            return true
        }
        guard let release else { return false }
        return try await again(release, only: true)
    }

    /// Installs a release, or what is missing of it.
    @discardableResult
    private func again(_ release: HookRunner.Release?, only missing: Bool) async throws -> Bool {
        if let release, !FileSystem.isFolder(release.bundle) {
            say("the release \(release.name) is gone, so its files cannot be installed again")
            return false
        }
        let root = try InstallRoot(real: place)
        let bundle = try InstallRoot(release?.bundle ?? target.path)
        let list = CleanupList(parsing: try target.own.readIfThere(files.cleanup) ?? [], below: root.path)
        var appspec = try release.map(appspec(of:)) ?? Appspec()
        if missing { appspec.fileExistsBehavior = .retain }
        var plan = try InstallPlanner.plan(
            appspec, Self.file, from: bundle, to: root, behavior: self.plan.fileExistsBehavior,
            after: missing ? CleanupList() : list)
        if missing {
            // What was never the release's, and stayed, does not become so.
            let own = Set(list.entries)
            plan.copies.removeAll { !own.contains(.path($0.recorded)) }
            plan.folders.removeAll { !own.contains(.path($0)) && !list.hasEntries(below: $0) }
            guard !plan.copies.isEmpty || !plan.folders.isEmpty else { return false }
            plan.changes.removeAll { change in
                !plan.copies.contains { $0.recorded == change.path } && !plan.folders.contains(change.path)
            }
            plan.cleanup = list
            say("\(plan.copies.count) files of \(release?.name ?? "") were gone from \(place), and are installed again")
        }
        try await transaction(plan, bundle, root, release?.name ?? "").begin()
        try recover()
        return true
    }

    /// Puts some of a release's files right, as they were installed; gives those that something else is in the way of.
    func restore(_ paths: Set<[UInt8]>, of release: HookRunner.Release) async throws -> Set<[UInt8]> {
        let root = try InstallRoot(real: place), bundle = try InstallRoot(release.bundle)
        let list = CleanupList(parsing: try target.own.readIfThere(files.cleanup) ?? [], below: root.path)
        var appspec = try appspec(of: release)
        appspec.fileExistsBehavior = .overwrite
        var plan = try InstallPlanner.plan(
            appspec, Self.file, from: bundle, to: root, behavior: .overwrite, after: CleanupList())
        let copies = plan.copies.filter { paths.contains($0.recorded) }
        let folders = plan.folders.filter { folder in copies.contains { $0.recorded.below(folder) != nil } }
        let restored = Set(copies.map(\.recorded))
        let made = Set(folders)
        plan.copies = copies
        plan.folders = folders
        plan.changes.removeAll { !restored.contains($0.path) && !made.contains($0.path) }
        // What is recorded as brought stays the same.
        plan.cleanup = list
        if !copies.isEmpty {
            do {
                try await transaction(plan, bundle, root, release.name).begin()
            } catch {
                try recover()
                throw error
            }
            try recover()
        }
        return paths.subtracting(restored)
    }

    /// The release whose files are in place; nil before the first.
    func installed() throws -> String? {
        guard let bytes = try target.own.readIfThere(files.lastSuccessful), !bytes.isEmpty else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Nobody but our scripts was at work meanwhile, so what was there before wins.
    private func recover() throws {
        let root = try InstallRoot(real: place)
        for remark in try InstallTransaction.recover(in: target.own, of: Self.group, at: root, oldWins: true) {
            say(remark)
        }
    }

    private func transaction(
        _ plan: InstallPlan, _ bundle: InstallRoot, _ root: InstallRoot, _ name: String
    ) throws -> InstallTransaction {
        let owner = self.plan.owner
        let whose = Digest.of(Array("\(owner.home) \(owner.app) \(owner.environment)".utf8)).description.prefix(8)
        var transaction = InstallTransaction(
            plan, from: bundle, to: root, state: target.own, group: Self.group,
            id: "\(whose)-\(self.plan.deployment).\(self.plan.token)", lastSuccessful: name)
        transaction.owner = SpareKind(owner: try target.root.status(), shared: []).owner
        return transaction
    }

    private func installPlan(
        _ release: HookRunner.Release, _ bundle: InstallRoot, _ root: InstallRoot
    ) throws -> InstallPlan {
        try InstallPlanner.plan(
            try appspec(of: release), Self.file, from: bundle, to: root, behavior: plan.fileExistsBehavior,
            after: CleanupList(parsing: try target.own.readIfThere(files.cleanup) ?? [], below: root.path))
    }

    /// Without an appspec a folder gets everything, and the machine nothing.
    private func appspec(of release: HookRunner.Release) throws -> Appspec {
        guard release.hasAppspec || place != "/" else {
            throw ShipitError(
                .failure, "the revision has no appspec.yml, so nothing says where its files go",
                hint: "files: with source and destination says what goes where")
        }
        return release.hasAppspec ? release.appspec : .everything
    }
}
