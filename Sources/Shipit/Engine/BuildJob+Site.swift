import ArtifactKit
import GitKit
import Glibc

/// Where a build takes place, and what it has there of earlier ones.
extension BuildJob {
    struct Site: Sendable {
        let workspace: Workspace
        let commit: Commit
        let isEnclosed: Bool
        let isPatched: Bool
        let variables: [String: String]
        let cache: BuildCache
        /// Nil when the buildspec asks for no cache.
        let request: BuildCache.Request?
        let loan: CacheLoan?
    }

    private var kept: KeptWorkspace { KeptWorkspace(home: installation.home, app: run.app) }
    /// Tells what is lent to this build from what is lent to another.
    private var mark: String { "\(job.run)-\(job.id)-\(job.attempt)" }
    /// A person who asks for a rebuild wants nothing of the builds before; what it leaves replaces theirs.
    /// Builds of a batch begin afresh, so that none finds what another left.
    private var isPatching: Bool { policy.pipeline.build.workspace == .patched && task == nil }

    func open(_ spec: Buildspec, isEnclosed: Bool, _ cancellation: Cancellation) throws -> Site {
        let workspace = Workspace(path: installation.home.workspace(job))
        let log = log
        let cache = BuildCache(
            folder: installation.home.caches(run.app), isEnclosed: isEnclosed, user: Sandbox.buildUser, mark: mark,
            lends: !isPatching, say: { log.say($0) })
        do {
            if spec.cache != nil || isPatching { try installation.home.prepareCaches(run.app) }
            let export = try Export(
                run.revision, from: try Repository(at: policy.pipeline.repositoryPath(in: installation.home)))
            export.notes.forEach(log.say)
            let variables = try variables(spec, workspace, export.commit, isEnclosed)
            let request = spec.cache.map { requested($0, export, variables) }
            let isPatched = try makeWorkspace(workspace, export, isEnclosed: isEnclosed)
            var loan: CacheLoan?
            if let request, isPatched {
                if request.cache.action != .save { log.say("cache: the patched workspace has what its build left") }
            } else if let request, !run.rebuild {
                loan = try restore(request, cache, into: workspace, export, cancellation)
            }
            if isPatching { try kept.note(export, in: workspace, head(isEnclosed), mark: mark) }
            return Site(
                workspace: workspace, commit: export.commit, isEnclosed: isEnclosed, isPatched: isPatched,
                variables: variables, cache: cache, request: request, loan: loan)
        } catch {
            remove(workspace, cache)
            throw error
        }
    }

    /// Keeps what may be kept, and removes the rest.
    func leave(_ site: Site, isMade: Bool) {
        if isMade, let request = site.request {
            site.cache.save(request, from: site.workspace, site.loan, run: run.id, moving: !isPatching)
        } else if let loan = site.loan {
            site.cache.putBack(loan, from: site.workspace)
        }
        if isMade, isPatching {
            do { try kept.keep(site.workspace, mark: mark) } catch {
                log.say("workspace: not kept for the next build: \(error)")
            }
        }
        remove(site.workspace, site.cache)
    }

    private func remove(_ workspace: Workspace, _ cache: BuildCache) {
        kept.forget(mark: mark)
        cache.drop("lent-\(mark)")
        Workspaces.remove(workspace.path)
        // Only when no other build works there, and never the home's own.
        if installation.home.work.hasPrefix("/var/tmp/") { rmdir(installation.home.work) }
    }

    // MARK: The workspace

    /// Exports the revision into a new workspace, or brings the last one to it; says which, and true if patched.
    private func makeWorkspace(_ workspace: Workspace, _ export: Export, isEnclosed: Bool) throws -> Bool {
        try installation.home.prepareWork()
        Workspaces.remove(workspace.path)
        guard isPatching, !run.rebuild else {
            kept.remove()
            try makeFresh(workspace, export)
            return false
        }
        let began = ContinuousClock.now
        do {
            let index = try kept.take(to: workspace.path, under: head(isEnclosed))
            try makeFolders([workspace.control, workspace.temporary])
            let summary = try export.patch(
                try Directory(path: workspace.source), from: index, for: Sandbox.buildUser)
            log.say(
                "workspace: that of run \(index.head.run), patched from \(index.head.revision.abbreviated()): "
                    + "\(summary.written) written, \(summary.removed) removed, after "
                    + (ContinuousClock.now - began).spoken)
            return true
        } catch {
            log.say("workspace: fresh, since \(Self.reason(error))")
            kept.remove()
            Workspaces.remove(workspace.path)
            try makeFresh(workspace, export)
            return false
        }
    }

    private static func reason(_ error: any Error) -> String { (error as? ShipitError)?.message ?? "\(error)" }

    private func makeFresh(_ workspace: Workspace, _ export: Export) throws {
        try makeFolders([
            workspace.path, workspace.source, workspace.control, workspace.home, workspace.temporary,
        ])
        try export.write(into: try Directory(path: workspace.source), for: Sandbox.buildUser)
    }

    private func makeFolders(_ paths: [String]) throws {
        for path in paths {
            let directory = try Directory(creating: path, mode: 0o700)
            guard let user = Sandbox.buildUser else { continue }
            guard fchown(directory.descriptor, user.uid, user.gid) == 0 else {
                throw ShipitError(.failure, "could not give \(path) to \(user.name): \(systemReason(errno))")
            }
        }
    }

    private func head(_ isEnclosed: Bool) -> WorkspaceIndex.Head {
        WorkspaceIndex.Head(
            run: run.id, revision: run.revision, at: Timestamp.now, boot: Boot.id,
            user: Sandbox.buildUser?.uid ?? geteuid(), isEnclosed: isEnclosed, policy: policy.digest, inode: 0)
    }

    // MARK: The cache

    private func requested(
        _ cache: Buildspec.Cache, _ export: Export, _ variables: [String: String]
    ) -> BuildCache.Request {
        let text = { (key: CacheKey) in
            key.text(export.entries, variables) { log.say("cache: no file matches \($0), which the key asks for") }
        }
        return BuildCache.Request(
            cache: cache, key: cache.key.map(text), fallbackKeys: cache.fallbackKeys.map(text))
    }

    /// A cache is only a cache: one that cannot be restored is done without, in a workspace that has nothing of it.
    private func restore(
        _ request: BuildCache.Request, _ cache: BuildCache, into workspace: Workspace, _ export: Export,
        _ cancellation: Cancellation
    ) throws -> CacheLoan? {
        do {
            return try cache.restore(request, into: workspace) { try cancellation.check() }
        } catch let error as CancellationError {
            throw error
        } catch {
            log.say("cache: could not be restored: \(Self.reason(error))")
            cache.drop("lent-\(mark)")
            Workspaces.remove(workspace.path)
            try makeFresh(workspace, export)
            return nil
        }
    }
}
