import ArtifactKit
import CLinux
import Glibc

/// Frees the space of what nothing needs any more: releases beyond `keep`, artifacts, logs, runs, workspaces, keep-refs.
public struct Cleaning: Sendable {
    public struct Removed: Hashable, Sendable {
        /// A path, or a reference.
        public let what: String
        public let bytes: Int64
    }

    public struct Report: Hashable, Sendable {
        public var removed: [Removed] = []
        /// What was left alone, and why.
        public var skipped: [String] = []

        public var bytes: Int64 { removed.reduce(0) { $0 + $1.bytes } }
    }

    let installation: Installation
    let isDryRun: Bool

    var retention: Retention { Retention(installation: installation) }

    public init(_ installation: Installation, isDryRun: Bool) {
        self.installation = installation
        self.isDryRun = isDryRun
    }

    public func run(_ apps: [App]) async throws -> Report {
        var report = Report()
        for app in apps {
            for environment in app.pipeline.environments {
                for target in installation.home.stores(app.name, environment) {
                    try cleanTarget(target, app, environment, &report)
                }
            }
        }
        try cleanHome(apps, &report)
        for app in apps {
            let lines = try await StateReferences(installation: installation).update(app, dryRun: isDryRun)
            for line in lines where line.hasPrefix("delete ") {
                let name = line.split(separator: " ")[1]
                report.removed.append(Removed(what: "\(app.repositoryPath) \(name)", bytes: 0))
            }
        }
        return report
    }

    /// Under the target's lock, so that what is kept is decided and done in one go.
    private func cleanTarget(
        _ path: String, _ app: App, _ environment: EnvironmentPolicy, _ report: inout Report
    ) throws {
        guard FileSystem.exists("\(path)/.shipit/lock") else { return }
        guard let lock = try TargetLock(taking: path) else {
            report.skipped.append("\(path): a deployment holds it")
            return
        }
        defer { withExtendedLifetime(lock) {} }
        let root = try Directory(path: path)
        for name in try retention.surplus(app, environment, in: root, path) {
            try remove("\(path)/releases/\(name)", &report) { try Target.removeRelease(name, in: root) }
        }
        for name in FileSystem.names(in: "\(path)/.shipit") where name.hasPrefix("trash-") {
            try remove("\(path)/.shipit/\(name)", &report) { try root.removeTree(Array(".shipit/\(name)".utf8)) }
        }
    }

    /// Logs and rows go in transactions that nobody is hurt by; the rest without a worker, who may be writing any of it.
    private func cleanHome(_ apps: [App], _ report: inout Report) throws {
        let home = installation.home
        for app in apps {
            try cleanLogs(of: app, &report)
            try cleanRuns(of: app, &report)
        }
        try cleanStrayLogs(&report)
        guard let lock = try WorkerLock.take(home) else {
            report.skipped.append("\(home.path): a worker lives, and sees to artifacts and workspaces itself")
            return try cleanLedger(isAlone: false, &report)
        }
        defer { withExtendedLifetime(lock) {} }
        for app in apps {
            let store = try ArtifactStore(home.artifacts(app.name))
            try cleanArtifacts(of: app, in: store, &report)
            for name in try retention.unknownFiles(of: app, in: store) {
                try remove(store.path(name), &report) { unlink(store.path(name)) }
            }
        }
        try cleanCaches(apps, &report)
        for name in Workspaces.leftovers(home) {
            try remove("\(home.work)/\(name)", &report) { Workspaces.remove("\(home.work)/\(name)") }
        }
        try cleanLedger(isAlone: true, &report)
    }

    /// What builds keep: beyond its bounds, in the middle of something, or of an app that is gone.
    private func cleanCaches(_ apps: [App], _ report: inout Report) throws {
        let home = installation.home
        for app in apps {
            let cache = BuildCache(home, app.name)
            for name in cache.removable() { try remove("\(cache.folder)/\(name)", &report) { cache.remove(name) } }
            let kept = KeptWorkspace(home: home, app: app.name)
            if FileSystem.exists(kept.path), app.pipeline.build.workspace == .fresh || !kept.mayServe {
                try remove(kept.path, &report) { kept.remove() }
            }
        }
        let names = installation.appNames()
        for name in FileSystem.names(in: home.caches) where !names.contains(name) {
            try remove(home.caches(name), &report) { Workspaces.remove(home.caches(name)) }
        }
    }

    func remove(_ path: String, _ report: inout Report, _ deed: () throws -> Void) throws {
        let bytes = DiskUsage.of(path)
        if !isDryRun {
            do { try deed() } catch {
                report.skipped.append("\(path): \(error)")
                return
            }
        }
        report.removed.append(Removed(what: path, bytes: bytes))
    }
}

/// The room that files take on their disk.
enum DiskUsage {
    static func of(_ path: String) -> Int64 {
        guard let status = FileSystem.linkStatus(path) else { return 0 }
        let own = Int64(status.st_blocks) * 512
        guard status.st_mode & S_IFMT == S_IFDIR else { return own }
        return FileSystem.names(in: path).reduce(own) { $0 + of("\(path)/\($1)") }
    }
}
