import ArtifactKit
import CLinux
import GitKit
import Glibc

/// Puts those files of a live release right that are not as they were deployed, from the artifact that it was made of.
///
/// Under the target's lock and fence; shared paths are left alone, links are not followed, no hook script runs. Each file
/// is made aside, compared with the manifest, and renamed into its place.
public struct ReleaseRepair {
    let installation: Installation
    let app: App
    let environment: EnvironmentPolicy
    let live: Deployment

    /// What was done to a target.
    public struct Done: Hashable, Sendable {
        public let target: String
        public let release: String
        /// Where the files are.
        public let place: String
        /// Relative to that, safe to show.
        public internal(set) var restored: [String] = []
        public internal(set) var removed: [String] = []
        /// Extra files that stay, as nobody asked.
        public internal(set) var left: [String] = []
        /// What hook scripts did during the deployment, and stays as nobody asked.
        public internal(set) var byScripts: [String] = []
        /// What hook scripts made of these is not known any more, since somebody edited them afterwards.
        public internal(set) var unclear: [String] = []
        /// What is installed in place, and a folder is in the way of.
        public internal(set) var blocked: [String] = []
        /// What stands where a link to something shared belongs, and may be worth keeping.
        public internal(set) var unlinked: [String] = []
    }

    private static let folder = Array("repair".utf8)

    public init(_ installation: Installation, _ app: App, _ environment: EnvironmentPolicy) throws {
        guard let live = try installation.ledger.environment(app.name, environment.name).live else {
            throw ShipitError(.unavailable, "nothing is live in \(environment.name)", hint: "shipit status")
        }
        self.installation = installation
        self.app = app
        self.environment = environment
        self.live = live
    }

    /// One for each target. `extras`: also takes away what was not in the artifact. `all`: also what the deployment's own
    /// hook scripts did.
    public func run(extras: Bool, all: Bool = false) async throws -> [Done] {
        let owner = TargetOwner(app: app.name, environment: environment.name, home: installation.home.path)
        var results: [Done] = []
        for (path, place) in zip(installation.home.stores(app.name, environment), environment.targets) {
            guard FileSystem.isFolder("\(path)/.shipit") else {
                throw ShipitError(
                    .unavailable, "nothing was ever deployed to \(place)",
                    hint:
                        "shipit promote \(live.revision.abbreviated()) --to \(environment.name) deploys to every target"
                )
            }
            // Without a token of its own: a deployment that has one already and waits for its turn must get it.
            let target = try Target(path, of: owner, patience: .seconds(2))
            guard let release = try target.live(), release == live.release.map({ ReleaseName.of($0, live.revision) })
            else {
                throw ShipitError(
                    .failure, "\(path)/current does not lead to what the ledger calls live",
                    hint: "shipit fsck --repair")
            }
            let done =
                environment.layout == .inPlace
                ? try await repairInstalled(target, release, at: place, all: all)
                : try repair(target, release, extras: extras, all: all)
            if !done.restored.isEmpty || !done.removed.isEmpty {
                try installation.ledger.sayRepaired(
                    live,
                    "\(environment.name): \(installation.person) repaired \(place): \(done.restored.count) put back, \(done.removed.count) removed"
                )
            }
            results.append(done)
        }
        return results
    }

    private func repair(_ target: Target, _ release: String, extras: Bool, all: Bool) throws -> Done {
        guard try target.hasRelease(release),
            let check = try ReleaseCheck(release, in: target.root, target.path, environment.shared)
        else {
            throw ShipitError(
                .failure, "the live release \(target.path)/releases/\(release) or its manifest is gone",
                hint: "shipit promote \(live.revision.abbreviated()) --to \(environment.name) deploys it again")
        }
        var done = Done(target: target.path, release: release, place: "\(target.path)/releases/\(release)")
        let tree = try target.root.open(Array("releases/\(release)".utf8))
        let work = Work(
            tree: tree, own: target.own,
            owner: SpareKind(owner: try target.root.status(), shared: environment.shared).owner,
            permissions: check.permissions)
        if try target.own.metadata(Self.folder) != nil { try target.own.removeTree(Self.folder) }
        try target.own.makeDirectory(Self.folder, mode: 0o700)
        // A leftover is removed by the next one.
        defer { try? target.own.removeTree(Self.folder) }
        let differences = check.differences.filter { all || !$0.isByScripts && !$0.wasByScripts }
        if !all { done.leave(check.differences) }
        let wanted = differences.filter { $0.kind == .missing || $0.kind == .edited }.compactMap(\.entry)
        try stage(wanted.filter { $0.kind == .file }, in: work)
        for entry in wanted { try work.put(entry) }
        for difference in differences {
            switch difference.kind {
            case .mode:
                if let entry = difference.entry { try work.setMode(entry) }
            case .extra:
                guard difference.isByScripts || extras else {
                    done.left.append(difference.path)
                    continue
                }
                try work.clear(difference.name)
                done.removed.append(difference.path)
                continue
            case .missing where difference.isShared:
                try work.link(difference.name, to: Array("\(target.path)/shared/".utf8) + difference.name)
            case .edited where difference.isShared:
                done.unlinked.append(difference.path)
                continue
            case .missing, .edited: break
            }
            if done.restored.last != difference.path { done.restored.append(difference.path) }
        }
        if let index = try TreeIndex(mending: Array("indexes/\(release)".utf8), in: target.own) {
            let manifest = try ManifestFile(in: target.own, Array("manifests/\(release).manifest".utf8))
            try index.renew(wanted.map(\.path), of: manifest, in: tree)
        }
        if !done.restored.isEmpty || !done.removed.isEmpty { try target.root.syncFileSystem() }
        return done
    }

    /// Makes the files aside: all are there and right before the first one takes its place.
    ///
    /// By their content, since an appspec may have given them other names.
    private func stage(_ entries: [ManifestEntry], in work: Work) throws {
        guard !entries.isEmpty else { return }
        guard let artifact = try installation.ledger.artifact(live.artifact), let digest = artifact.manifest else {
            throw ShipitError(.failure, "the ledger has no artifact for run \(live.run)", hint: "shipit fsck")
        }
        let home = installation.home
        let content = try ReleaseContent(
            live.revision,
            DeploymentPlan.ArtifactPlace(
                manifest: home.artifact(app.name, ArtifactStore.manifestName(of: artifact.file)), digest: digest,
                source: DeploymentPlan.Source(artifact, home, repository: app.pipeline.repositoryPath(in: home))))
        var missing: [Digest: [ManifestEntry]] = [:]
        for entry in entries { if let digest = entry.digest { missing[digest, default: []].append(entry) } }
        let reader = try content.files.reader()
        for section in content.manifest.sections where !missing.isEmpty {
            let there = try content.manifest.entries(of: section)
            var first: [Digest: Int] = [:]
            for (place, entry) in there.enumerated() {
                if let digest = entry.digest, missing[digest] != nil, first[digest] == nil { first[digest] = place }
            }
            guard !first.isEmpty else { continue }
            let places = Set(first.values)
            try reader.read(section, there, wanted: places.contains) { entry, read in
                guard let digest = entry.digest, let goals = missing.removeValue(forKey: digest) else { return }
                try work.stage(goals, digest, read)
            }
        }
        guard let lost = missing.values.first?.first else { return }
        throw ShipitError(
            .failure, "\(visible(lost.path)) is not in the artifact of \(live.revision.abbreviated())",
            hint: "shipit promote \(live.revision.abbreviated()) --to \(environment.name) deploys it again")
    }

    /// What is done in a release, entry by entry.
    private struct Work {
        let tree: Directory
        let own: Directory
        let owner: Owner?
        let permissions: [[UInt8]: Permission]

        private func aside(_ entry: ManifestEntry) -> [UInt8] {
            ReleaseRepair.folder + Array("/\(Digest.of(entry.path))".utf8)
        }

        func stage(
            _ entries: [ManifestEntry], _ digest: Digest, _ read: TarballReader.Content
        ) throws {
            let files = try entries.map { try own.createFile(aside($0), mode: 0o600) }
            var hash = FileHash()
            try read { bytes in
                hash.update(bytes)
                for file in files { try file.write(bytes) }
            }
            for file in files { try file.close() }
            guard hash.digest == digest else {
                throw ShipitError(
                    .failure, "the content of \(visible(entries[0].path)) in the artifact is not what the manifest says"
                )
            }
        }

        func put(_ entry: ManifestEntry) throws {
            let there = try tree.metadata(entry.path)
            if entry.kind == .directory {
                if there != nil { try clear(entry.path) }
                try tree.makeDirectories(entry.path)
                return try setMode(entry)
            }
            if entry.kind == .link { try own.createLink(aside(entry), target: entry.link) }
            if there?.kind == .directory { try clear(entry.path) }
            try setMode(entry, at: aside(entry), in: own)
            try own.rename(aside(entry), to: entry.path, in: tree)
        }

        func link(_ path: [UInt8], to place: [UInt8]) throws {
            if !path.parentPath.isEmpty { try tree.makeDirectories(path.parentPath) }
            try put(.link(path, target: place))
        }

        func clear(_ path: [UInt8]) throws {
            guard try tree.metadata(path)?.kind == .directory else { return try tree.remove(path) }
            let parent = path.parentPath.isEmpty ? tree : try tree.open(path.parentPath)
            try parent.removeTree(path.lastName)
        }

        func setMode(_ entry: ManifestEntry) throws { try setMode(entry, at: entry.path, in: tree) }

        /// Owner and mode, by a descriptor of the very thing: whoever owns the release may put a link in its place.
        private func setMode(_ entry: ManifestEntry, at path: [UInt8], in folder: Directory) throws {
            let parent = path.parentPath.isEmpty ? folder : try folder.open(path.parentPath)
            let file = (path.lastName + [0]).withUnsafeBufferPointer { bytes in
                bytes.withMemoryRebound(to: CChar.self) {
                    $0.baseAddress.map { openat(parent.descriptor, $0, O_PATH | O_NOFOLLOW | O_CLOEXEC) } ?? -1
                }
            }
            guard file >= 0 else { throw failure("open", entry) }
            defer { close(file) }
            if let owner, fchownat(file, "", owner.user, owner.group, AT_EMPTY_PATH) != 0 {
                throw failure("give away", entry)
            }
            guard entry.kind != .link else { return }
            var status = stat()
            guard fstat(file, &status) == 0 else { throw failure("look at", entry) }
            let there = UInt16(status.st_mode & 0o7777)
            let mode = permissions[entry.path]?.expectedMode(entry.mode, there) ?? entry.mode
            guard chmod("/proc/self/fd/\(file)", mode_t(mode)) == 0 else {
                throw failure("change the mode of", entry)
            }
        }

        private func failure(_ what: String, _ entry: ManifestEntry) -> ShipitError {
            ShipitError(.failure, "could not \(what) \(visible(entry.path)): \(systemReason(errno))")
        }
    }
}

extension [UInt8] {
    fileprivate var parentPath: [UInt8] {
        lastIndex(of: UInt8(ascii: "/")).map { Array(self[..<$0]) } ?? []
    }
    fileprivate var lastName: [UInt8] {
        lastIndex(of: UInt8(ascii: "/")).map { Array(self[($0 + 1)...]) } ?? self
    }
}

extension Ledger {
    fileprivate func sayRepaired(_ live: Deployment, _ text: String) throws {
        try write { try $0.say(.releaseRepaired, app: live.app, run: live.run, job: live.job, text) }
    }
}
