import GitKit
import ArtifactKit
import CLinux
import FoundationEssentials
import Glibc

/// One folder of an environment on this machine: releases, the link to the live one, and `.shipit`.
///
/// Held open and locked from preparation to the end; the kernel lets go of the lock when its holder dies.
/// Not Sendable: it stays in the task of its deployment.
final class Target {
    let path: String
    let root: Directory
    let own: Directory
    private let lock: Int32
    /// Nil for who puts a target right: it keeps nobody out who comes after it.
    private let token: Int64?

    /// Opens and locks a target for a plan; makes it if it is missing.
    ///
    /// Waits for a holder that is ending; refuses when a newer token was seen, or when it is another's target.
    convenience init(_ path: String, for plan: DeploymentPlan) throws {
        let store = plan.store(of: path)
        if store != path {
            // Releases belong to whom the files are to belong to.
            if path != "/" { try Self.makeSure(of: path) }
            try Self.makeSure(of: store)
            if geteuid() == 0, let status = FileSystem.status(path) { chown(store, status.st_uid, status.st_gid) }
        }
        try self.init(store, of: plan.owner, token: plan.token)
    }

    /// The same without a plan; `patience` is how long a holder may take to end.
    init(_ path: String, of owner: TargetOwner, token: Int64? = nil, patience: Duration = .seconds(30)) throws {
        self.path = path
        self.token = token
        try Self.makeSure(of: path)
        root = try Directory(path: path)
        if try root.metadata(Array(".shipit".utf8)) == nil {
            try root.makeDirectory(Array(".shipit".utf8), mode: 0o755)
        }
        own = try root.open(Array(".shipit".utf8))
        for name in ["releases"] where try root.metadata(Array(name.utf8)) == nil {
            try root.makeDirectory(Array(name.utf8), mode: 0o755)
        }
        for name in ["manifests", "indexes", "bundles", "results"] where try own.metadata(Array(name.utf8)) == nil {
            try own.makeDirectory(Array(name.utf8), mode: 0o755)
        }
        lock = openat(own.descriptor, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard lock >= 0 else { throw ShipitError(.failure, "could not lock \(path): \(systemReason(errno))") }
        do {
            try takeLock(patience)
            try checkOwner(owner)
        } catch {
            close(lock)
            throw error
        }
    }

    deinit {
        flock(lock, LOCK_UN)  // closing alone is not enough: see TargetLock
        close(lock)
    }

    // MARK: The lock and its token

    private func takeLock(_ patience: Duration) throws {
        let deadline = ContinuousClock.now + patience
        while flock(lock, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK || errno == EINTR, ContinuousClock.now < deadline else {
                throw ShipitError(.busy, "\(path) is locked by another deployment", hint: "shipit status shows it")
            }
            usleep(20_000)
        }
        guard let token else { return }
        try checkToken()
        let text = Array("\(token)\n".utf8)
        // Not synced: the fence keeps out processes, and no process outlives a power cut.
        guard pwrite(lock, text, text.count, 0) == text.count, ftruncate(lock, off_t(text.count)) == 0
        else { throw ShipitError(.failure, "could not write the lock of \(path): \(systemReason(errno))") }
    }

    /// Refuses when a newer deployment was here. Called right before every switch, under the lock.
    func checkToken() throws {
        guard let token else { return }
        var buffer = [UInt8](repeating: 0, count: 32)
        let count = pread(lock, &buffer, buffer.count, 0)
        let seen = Int64(String(decoding: buffer[..<max(0, count)], as: UTF8.self).filter { $0.isNumber }) ?? 0
        guard seen <= token else {
            throw ShipitError(.busy, "a newer deployment took over \(path) (token \(seen), this one has \(token))")
        }
    }

    private func checkOwner(_ owner: TargetOwner) throws {
        let name = Array("owner".utf8)
        if try own.metadata(name) != nil {
            let bytes = Data(try own.readFile(name, limit: 64 << 10))
            // An owner that cannot be read is not us.
            let there = try? JSONDecoder().decode(TargetOwner.self, from: bytes)
            guard there == owner else {
                let whose = there.map { "\($0.app) \($0.environment) of \($0.home)" } ?? "somebody else"
                throw ShipitError(
                    .configuration,
                    "\(path) is a target of \(visibleLine(whose)), not of \(owner.app) \(owner.environment)",
                    hint: "choose another folder, or remove \(path)/.shipit/owner if that one is gone for good")
            }
            return
        }
        try own.writeAtomically(name, Array(try JSONEncoder().encode(owner)))
    }

    /// The target's folder: never a link, never something else, made with its parent's owner.
    static func makeSure(of path: String) throws {
        if let status = FileSystem.linkStatus(path) {
            guard status.st_mode & S_IFMT == S_IFDIR else {
                throw ShipitError(
                    .failure, "the target \(path) is not a folder",
                    hint: "move it away, or name its real path in pipeline.yml")
            }
            return
        }
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        let parent = String(path[..<slash])
        if !parent.isEmpty, FileSystem.status(parent) == nil { try makeSure(of: parent) }
        guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
            throw ShipitError(.failure, "could not make the target \(path): \(systemReason(errno))")
        }
        chmod(path, 0o755)
        if geteuid() == 0, let above = FileSystem.status(parent.isEmpty ? "/" : parent), above.st_uid != 0 {
            chown(path, above.st_uid, above.st_gid)
        }
    }

    // MARK: What is live

    /// The release that `current` names; nil when nothing was ever live.
    func live() throws -> String? { try Self.live(in: root, path) }

    static func live(in root: Directory, _ path: String) throws -> String? {
        guard let status = try root.metadata(Array("current".utf8)) else { return nil }
        guard status.kind == .link else {
            throw ShipitError(
                .failure, "\(path)/current is not a link that shipit made", hint: "move it away and try again")
        }
        let link = String(decoding: try root.readLink(Array("current".utf8)), as: UTF8.self)
        let parts = link.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] == "releases", ReleaseName.isValid(String(parts[1])) else {
            throw ShipitError(
                .failure, "\(path)/current leads to \(visibleLine(link)), which is no release",
                hint: "move it away and try again")
        }
        return String(parts[1])
    }

    /// Makes a release live with one rename, on the disk when this returns; nil removes the link again.
    func switchCurrent(to release: String?) throws {
        try checkToken()
        guard let release else {
            if try root.metadata(Array("current".utf8)) != nil { try root.remove(Array("current".utf8)) }
            try root.sync()
            return
        }
        let former = try live()
        try root.swapLink(Array("current".utf8), target: Array("releases/\(release)".utf8))
        // Says until when it was live; without an index it is never used again, and nobody asks.
        if let former, former != release { utimes("\(path)/.shipit/indexes/\(former)", nil) }
        guard try live() == release else {
            throw ShipitError(.failure, "\(path)/current does not lead to \(release) after the switch")
        }
    }

    func hasRelease(_ release: String) throws -> Bool {
        try root.metadata(Array("releases/\(release)".utf8))?.kind == .directory
    }

    func path(of release: String) -> String { "\(path)/releases/\(release)" }

    /// Where hook scripts of a release run from: the unpacked artifact, if the release is not that itself.
    func bundle(of release: String) throws -> String {
        let bundle = Array("bundles/\(release)".utf8)
        return try own.metadata(bundle)?.kind == .directory
            ? "\(path)/.shipit/bundles/\(release)" : self.path(of: release)
    }

    func removeRelease(_ release: String) throws { try Self.removeRelease(release, in: root) }

    static func removeRelease(_ release: String, in root: Directory) throws {
        let own = try root.open(Array(".shipit".utf8))
        for name in try discardRelease(release, in: root) { try own.removeTree(name) }
    }

    /// Takes a release out of its place at once, and returns what is left of it in `.shipit`, for `Trash.empty`.
    @discardableResult
    static func discardRelease(_ release: String, in root: Directory) throws -> [[UInt8]] {
        let own = try root.open(Array(".shipit".utf8))
        var left: [[UInt8]] = []
        // Under another name first: a half-removed release must never look like a release.
        let folder = Array("releases/\(release)".utf8)
        if try root.metadata(folder)?.kind == .directory { left.append(try Trash.discard(folder, of: root, in: own)) }
        let bundle = Array("bundles/\(release)".utf8)
        if try own.metadata(bundle) != nil { left.append(try Trash.discard(bundle, in: own)) }
        let names = ["manifests/\(release).manifest", "indexes/\(release)"].map { Array($0.utf8) }
        for name in names + [ScriptEdits.name(release)] {
            if try own.metadata(name) != nil { try own.remove(name) }
        }
        return left
    }

    // MARK: Results

    /// Nil when there is none, or when a power cut left one that cannot be read.
    func result(of deployment: Int64) throws -> TargetResult? { try Self.result(of: deployment, in: own) }

    static func result(of deployment: Int64, in own: Directory) throws -> TargetResult? {
        let name = Array("results/\(deployment).json".utf8)
        guard try own.metadata(name) != nil else { return nil }
        let bytes = Data(try own.readFile(name, limit: 64 << 10))
        // What to do without it is the caller's to know: it looks at what is live.
        return try? JSONDecoder().decode(TargetResult.self, from: bytes)
    }

    /// `sync: false` only when a sync of the file system follows before anybody can see an effect, or when losing the
    /// result to a power cut just means that the deployment is done again.
    func write(_ result: TargetResult, sync: Bool = true) throws {
        let bytes = Array(try JSONEncoder().encode(result))
        try own.writeAtomically(Array("results/\(result.deployment).json".utf8), bytes, sync: sync)
    }

    /// Keeps the newest results; the ledger has them all.
    func pruneResults(keep: Int = 20) throws {
        let folder = try own.open(Array("results".utf8))
        let numbers = try folder.entries().compactMap { entry -> Int64? in
            let name = String(decoding: entry.name, as: UTF8.self)
            return name.hasSuffix(".json") ? Int64(name.dropLast(".json".count)) : nil
        }
        for number in numbers.sorted().dropLast(keep) { try folder.remove(Array("\(number).json".utf8)) }
    }
}

/// The folder of a release: `7-3f2a91c`.
enum ReleaseName {
    static func of(_ number: Int, _ revision: Revision) -> String { "\(number)-\(revision.abbreviated())" }

    static func isValid(_ name: String) -> Bool { number(name) != nil }

    static func number(_ name: String) -> Int? {
        let parts = name.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, (4...64).contains(parts[1].count), parts[1].allSatisfy({ $0.isHexDigit && $0.isASCII })
        else { return nil }
        return Int(parts[0]).flatMap { $0 > 0 ? $0 : nil }
    }
}
