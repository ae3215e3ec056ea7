import ArtifactKit
import CLinux
import FoundationEssentials
import GitKit
import Glibc

extension Inspection {
    /// Each target against the ledger and against itself; an environment that is being deployed to is left alone.
    mutating func inspectTargets(of app: App) throws {
        for environment in app.pipeline.environments {
            if running.contains(where: { $0.app == app.name && $0.name == environment.name }) {
                notes.append(
                    "\(app.name) \(environment.name): a deployment runs there, so its targets were not looked at")
                continue
            }
            let state = try installation.ledger.environment(app.name, environment.name)
            for (path, place) in zip(installation.home.stores(app.name, environment), environment.targets) {
                do {
                    try inspectTarget(path, app, environment, state)
                    if environment.layout == .inPlace { try inspectInstalled(environment, path, place, state) }
                } catch let error as ShipitError {
                    find(.currentDiffers, at: path, error.message, remedy: error.hint ?? "look at the target")
                } catch {
                    find(.targetMissing, at: path, "\(error)", remedy: "check the folder's owner and mode")
                }
            }
        }
    }

    private mutating func inspectTarget(
        _ path: String, _ app: App, _ environment: EnvironmentPolicy, _ state: EnvironmentState
    ) throws {
        let again =
            "shipit promote \(state.live?.revision.abbreviated() ?? "REVISION") --to \(environment.name) --app \(app.name)"
        guard let status = FileSystem.linkStatus(path), status.st_mode & S_IFMT == S_IFDIR,
            FileSystem.isFolder("\(path)/.shipit")
        else {
            guard let live = state.live else { return }
            find(
                .targetMissing, at: path,
                "\(live.revision.abbreviated()) is live in \(environment.name), and this target never got it, or lost it",
                remedy: again)
            return
        }
        let root = try Directory(path: path)
        let owner = TargetOwner(app: app.name, environment: environment.name, home: installation.home.path)
        guard try inspectOwner(of: root, path, owner) else { return }
        try inspectToken(of: path)
        let complete = try inspectReleases(in: root, path, state, again)
        try inspectCurrent(in: root, path, owner, state, complete, again, environment.layout)
        if !isBusy { try inspectLeftovers(in: root, path) }
    }

    /// False when it is another's target.
    private mutating func inspectOwner(of root: Directory, _ path: String, _ owner: TargetOwner) throws -> Bool {
        let name = Array(".shipit/owner".utf8)
        guard try root.metadata(name) != nil else {
            find(
                .targetForeign, at: "\(path)/.shipit/owner", "the target does not say whose it is",
                remedy: "the next deployment writes it", repair: .writeOwner(path, owner))
            return true
        }
        // An owner that cannot be read is not us.
        let there = try? JSONDecoder().decode(TargetOwner.self, from: Data(try root.readFile(name, limit: 64 << 10)))
        if there == owner { return true }
        let whose = there.map { "\($0.app) \($0.environment) of \($0.home)" } ?? "somebody else"
        find(
            .targetForeign, at: "\(path)/.shipit/owner", "it is a target of \(whose)",
            remedy: "choose another folder in pipeline.yml, or remove the file if that one is gone for good")
        return false
    }

    private mutating func inspectToken(of path: String) throws {
        guard FileSystem.exists("\(path)/.shipit/lock"), let lock = try TargetLock(taking: path) else { return }
        guard try lock.token > installation.ledger.fence() else { return }
        find(
            .targetToken, at: "\(path)/.shipit/lock",
            "it has seen the token \(lock.token), and the ledger never gave out such a high one",
            remedy: "was an older ledger put back? then remove this file, and deployments go on")
    }

    /// The releases that are there and complete.
    private mutating func inspectReleases(
        in root: Directory, _ path: String, _ state: EnvironmentState, _ again: String
    ) throws -> Set<String> {
        var complete: Set<String> = []
        let pinned = [state.live, state.previous].compactMap { $0?.releaseName }
        for name in FileSystem.names(in: "\(path)/releases") {
            let place = "\(path)/releases/\(name)"
            guard ReleaseName.isValid(name), (FileSystem.linkStatus(place)?.st_mode ?? 0) & S_IFMT == S_IFDIR else {
                find(.releaseUnknown, .warning, at: place, "shipit did not put it there", remedy: "move it away")
                continue
            }
            guard try isKnown(name, state) else {
                find(
                    .releaseUnknown, .warning, at: place, "the ledger knows no such release",
                    remedy: "shipit gc removes it")
                continue
            }
            guard let check = try ReleaseCheck(name, in: root, path) else {
                find(
                    .manifestMissing, at: "\(path)/.shipit/manifests/\(name).manifest", "the release has no manifest",
                    remedy: again)
                continue
            }
            report(check, name, place, again)
            if check.damage.isEmpty { complete.insert(name) }
        }
        for (name, what) in zip(pinned, ["live", "the one before"])
        where !FileSystem.isFolder("\(path)/releases/\(name)") {
            find(
                .releaseMissing, name == pinned.first ? .error : .warning, at: "\(path)/releases/\(name)",
                "by the ledger it is \(what), and it is gone", remedy: again)
        }
        return complete
    }

    private func isKnown(_ name: String, _ state: EnvironmentState) throws -> Bool {
        guard let number = ReleaseName.number(name), let dash = name.firstIndex(of: "-") else { return false }
        return try installation.ledger.hasRelease(
            number, revision: String(name[name.index(after: dash)...]), app: state.app, environment: state.name)
    }

    private mutating func report(_ check: ReleaseCheck, _ name: String, _ place: String, _ again: String) {
        let again = again.replacing(/promote \S+/, with: "promote \(name.drop { $0 != "-" }.dropFirst())")
        for difference in check.damage.prefix(20) {
            find(
                .releaseDamaged, at: "\(place)/\(difference.path)", "\(difference.kind.rawValue): \(difference.what)",
                remedy: again)
        }
        if check.damage.count > 20 {
            find(
                .releaseDamaged, at: place, "and \(check.damage.count - 20) more files are not as they were",
                remedy: again)
        }
        let ours = check.differences.filter { $0.kind != .extra && $0.isByScripts }
        if let first = ours.first {
            let more = ours.count > 1 ? " and \(ours.count - 1) more" : ""
            notes.append("\(place): \(first.path)\(more) edited by hook scripts during the deployment")
        }
        let extras = check.differences.filter { $0.kind == .extra }
        if let first = extras.first {
            let more = extras.count > 1 ? " and \(extras.count - 1) more" : ""
            notes.append("\(place): \(first.path)\(more) was not in the artifact; a hook script may have made it")
        }
    }

    private mutating func inspectCurrent(
        in root: Directory, _ path: String, _ owner: TargetOwner, _ state: EnvironmentState, _ complete: Set<String>,
        _ again: String, _ layout: EnvironmentPolicy.Layout
    ) throws {
        let wanted = state.live?.releaseName
        let there = try Target.live(in: root, path)
        guard wanted != there else { return }
        let what = "it leads to \(there ?? "nothing"), and by the ledger \(wanted ?? "nothing") is live"
        // A link alone installs nothing.
        guard layout == .releases, let wanted, complete.contains(wanted) else {
            find(
                .currentDiffers, at: "\(path)/current", what, remedy: wanted == nil ? "move it away, or deploy" : again)
            return
        }
        find(
            .currentDiffers, at: "\(path)/current", what,
            remedy: "shipit fsck --repair points it there; then restart what runs",
            repair: .pointCurrent(path, owner, release: wanted))
    }

    /// What was installed in place, and what an installation that was cut short left there.
    private mutating func inspectInstalled(
        _ environment: EnvironmentPolicy, _ store: String, _ place: String, _ state: EnvironmentState
    ) throws {
        guard let live = state.live?.releaseName, FileSystem.isFolder("\(store)/releases/\(live)") else { return }
        let again = "shipit promote \(live.drop { $0 != "-" }.dropFirst()) --to \(environment.name) --app \(state.app)"
        let files = InstallTransaction.Files(InPlaceInstall.group)
        for name in [files.journal, files.back].map({ String(decoding: $0, as: UTF8.self) })
        where FileSystem.exists("\(store)/.shipit/\(name)") {
            return find(
                .targetLeftover, at: "\(store)/.shipit/\(name)",
                "an installation to \(place) was cut short and not put back", remedy: again)
        }
        let check = try InstalledCheck(live, of: environment, in: try Directory(path: store), at: place)
        for difference in check.differences.prefix(20) {
            let path = place == "/" ? "/\(difference.path)" : "\(place)/\(difference.path)"
            if difference.isByScripts {
                notes.append("\(path): \(difference.what); by hook scripts during the deployment")
            } else if difference.kind == .missing {
                find(.installedDiffers, at: path, difference.what, remedy: again)
            } else {
                // Scripts do that, too: shipit verify is for who wants to know.
                notes.append("\(path): \(difference.what); a hook script may have done it")
            }
        }
    }

    /// What crashed deployments left in the target's own folder.
    private mutating func inspectLeftovers(in root: Directory, _ path: String) throws {
        func leftover(_ name: String, _ what: String) {
            find(
                .targetLeftover, .warning, at: "\(path)/\(name)", what,
                remedy: "the next deployment or shipit gc removes it",
                repair: .removeFromTarget(path, name: name))
        }
        for name in FileSystem.names(in: "\(path)/.shipit") {
            if name == "incoming" || name == "mapped" || name.hasPrefix("trash-") {
                leftover(".shipit/\(name)", "a deployment that was interrupted left it behind")
            }
        }
        for folder in ["", ".shipit/", ".shipit/manifests/", ".shipit/results/"] {
            for name in FileSystem.names(in: "\(path)/\(folder)") where name.hasPrefix(".aside-") {
                leftover("\(folder)\(name)", "a write that was interrupted left it behind")
            }
        }
        for name in FileSystem.names(in: "\(path)/.shipit/manifests") {
            guard let suffix = [".manifest", ScriptEdits.suffix].first(where: name.hasSuffix) else { continue }
            if !FileSystem.exists("\(path)/releases/\(name.dropLast(suffix.count))") {
                leftover(".shipit/manifests/\(name)", "its release is gone")
            }
        }
        for name in FileSystem.names(in: "\(path)/.shipit/indexes") where !FileSystem.exists("\(path)/releases/\(name)")
        {
            leftover(".shipit/indexes/\(name)", "its release is gone")
        }
        for name in FileSystem.names(in: "\(path)/.shipit/bundles") where !FileSystem.exists("\(path)/releases/\(name)")
        {
            leftover(".shipit/bundles/\(name)", "its release is gone")
        }
    }
}

extension Deployment {
    /// The name of its release's folder.
    var releaseName: String? { release.map { ReleaseName.of($0, revision) } }
}
