import ArtifactKit
import GitKit
import Glibc

/// Makes the artifact of a revision: by its buildspec, enclosed, or of the tree as it is.
struct BuildJob: Sendable {
    let installation: Installation
    let job: Job
    let run: Run
    let policy: Policy
    let log: LogFile
    /// Why builds cannot be enclosed on this machine, found out once by the worker.
    let sandboxObstacle: @Sendable () async -> String?
    /// The build of a batch that this is; nil for one that stands alone.
    var task: String?
    /// The server's variables and secrets, known once it is clear that something is built.
    var settings = EnvironmentFile()

    typealias Result = Attempt<Artifact>

    /// What came of a build: what was made of it, or how it ended without.
    enum Attempt<Made: Sendable>: Sendable {
        case made(Made)
        case ended(Status, String)

        var isMade: Bool {
            if case .made = self { true } else { false }
        }
    }

    /// What it says of its end goes into the ledger, where no secret may stand.
    func perform(_ cancellation: Cancellation) async throws -> Result {
        do {
            let result = try await attempt(cancellation)
            if case .ended(let status, let reason) = result { return .ended(status, log.masked(reason)) }
            return result
        } catch let error as ShipitError {
            throw ShipitError(error.code, log.masked(error.message), hint: error.hint.map(log.masked))
        } catch let error as ArtifactError {
            throw ShipitError(.failure, log.masked("\(error)"))
        }
    }

    private func attempt(_ cancellation: Cancellation) async throws -> Result {
        let store = try ArtifactStore(installation.home.artifacts(run.app))
        let known = try installation.ledger.artifacts(app: run.app, revision: run.revision).last
        if !run.rebuild, let known {
            if isWhole(known, store) {
                log.say("using the artifact of run \(known.run): \(known.file)")
                return .made(known)
            }
            log.say("the artifact \(known.file) is missing or damaged: made again")
        }
        let aside = store.aside(job)
        unlink(aside)
        defer { store.drop(aside: aside) }
        let buildspec = try await buildspec(policy.pipeline.build.buildspec)
        guard let buildspec else {
            log.say(
                "no \(policy.pipeline.build.buildspec) in \(run.revision.abbreviated()): the tree is packed as it is")
            return .made(try await describeTree(aside, store, isPackedNow: known != nil))
        }
        try cancellation.check()
        var job = self
        let sources = SecretSources(installation, run.app, Pipeline.buildName, policy.pipeline)
        job.settings = try await sources.settings(say: { log.say($0) }, hide: { log.mask($0) }, cancellation)
        return try await job.build(buildspec, aside, store, cancellation)
    }

    private func build(
        _ buildspec: (spec: Buildspec, digest: Digest), _ aside: String, _ store: ArtifactStore,
        _ cancellation: Cancellation
    ) async throws -> Result {
        if let batch = buildspec.spec.batch {
            return try await build(batch, of: buildspec.spec, digest: buildspec.digest, aside, store, cancellation)
        }
        return try await build(buildspec.spec, cancellation) {
            try pack(buildspec.spec, buildspec.digest, $1, at: $0, aside, store)
        }
    }

    private func isWhole(_ artifact: Artifact, _ store: ArtifactStore) -> Bool {
        // Unreadable, missing or other bytes alike: the artifact is made again.
        guard let manifest = try? store.manifest(of: artifact.file), manifest.digest == artifact.manifest else {
            return false
        }
        guard let digest = artifact.digest else { return true }
        return (try? Digest.ofFile(at: store.path(artifact.file)).digest) == digest  // as above
            && store.hasAllSecondaries(of: artifact.file)
    }

    // MARK: The tree as it is

    /// The manifest is all that the first environment needs, which is filled from the repository; the tarball is made
    /// before its deployment is over.
    private func describeTree(_ aside: String, _ store: ArtifactStore, isPackedNow: Bool) async throws -> Artifact {
        try await onThread {
            let tree = TreeArtifact(
                installation: installation, app: run.app,
                repository: policy.pipeline.repositoryPath(in: installation.home))
            let repository = try Repository(at: tree.repository)
            let base = isPackedNow ? nil : tree.base(for: run.revision)
            let summary = try TreeManifest(repository: repository, revision: run.revision)
                .write(to: try store.createManifest(aside: aside), from: base)
            summary.notes.forEach(log.say)
            if isPackedNow { return try packTree(summary, aside, store, repository) }
            let (file, manifest) = try store.keepManifest(aside, of: run.revision)
            log.say(
                "\(manifest.entryCount) entries of \(manifest.totalSize) bytes, of which \(summary.read) files were read; manifest \(manifest.digest)"
            )
            return try installation.ledger.addArtifact(
                of: run, manifest: manifest.digest, digest: nil, size: 0, file: file, method: .tree,
                hasExportRules: summary.hasExportRules)
        }
    }

    /// Nothing is taken from an earlier artifact, so that other bytes than before would show.
    private func packTree(
        _ tree: TreeManifest.Summary, _ aside: String, _ store: ArtifactStore, _ repository: Repository
    ) throws -> Artifact {
        try Failpoint.buildBeforePack.reach()
        let packing = Packing(
            manifest: try ManifestFile(at: ArtifactStore.manifestAside(aside)),
            content: RepositoryContent(repository: repository.path, revision: run.revision))
        let provenance = Provenance(run, try repository.commit(run.revision), policy, method: .tree)
        return try keep(
            try packing.pack(into: aside, reusing: nil), aside, store, provenance, hasExportRules: tree.hasExportRules)
    }

    // MARK: By its buildspec

    /// Nil when the revision has no file of that name.
    func buildspec(_ name: String) async throws -> (spec: Buildspec, digest: Digest)? {
        try await onThread {
            let repository = try Repository(at: policy.pipeline.repositoryPath(in: installation.home))
            guard let entry = try repository.file(at: name, in: run.revision) else { return nil }
            guard entry.kind == .file || entry.kind == .executable else {
                throw Diagnostics([Diagnostic(.error, file: name, "not a regular file")])
            }
            let bytes = try repository.blob(entry.id)
            let (spec, warnings) = try Buildspec.parse(bytes, file: name)
            for warning in warnings { log.say(warning.description) }
            return (spec, Digest.of(bytes))
        }
    }

    /// Builds in a workspace of its own; `pack` takes what is wanted of it before the workspace goes.
    func build<Made: Sendable>(
        _ spec: Buildspec, _ cancellation: Cancellation,
        pack: @escaping @Sendable (Site, Phases) throws -> Attempt<Made>
    ) async throws -> Attempt<Made> {
        let wanted = policy.pipeline.build.sandbox
        let sandboxObstacle = wanted == .off ? nil : await sandboxObstacle()
        if wanted == .required, let sandboxObstacle {
            throw ShipitError(.failure, "builds must be enclosed, and \(sandboxObstacle)", hint: "shipit doctor")
        }
        let isEnclosed = wanted != .off && sandboxObstacle == nil
        let obstacles = try obstacles(to: spec, isEnclosed: isEnclosed)
        for obstacle in obstacles { log.say(obstacle) }
        if let first = obstacles.first { return .ended(.failed, first) }
        if wanted == .auto, let sandboxObstacle { log.say("the build is NOT enclosed: \(sandboxObstacle)") }

        let site = try await onThread {
            try open(spec, isEnclosed: isEnclosed, cancellation)
        }
        let result: Swift.Result<Attempt<Made>, any Error>
        do {
            try Failpoint.buildExported.reach()
            result = .success(try await build(spec, at: site, cancellation, pack))
        } catch {
            result = .failure(error)
        }
        await onThread { leave(site, isMade: (try? result.get().isMade) ?? false) }  // the error itself follows
        return try result.get()
    }

    private func build<Made: Sendable>(
        _ spec: Buildspec, at site: Site, _ cancellation: Cancellation,
        _ pack: @escaping @Sendable (Site, Phases) throws -> Attempt<Made>
    ) async throws -> Attempt<Made> {
        let workspace = site.workspace
        let command = driver(spec.shell, workspace, isEnclosed: site.isEnclosed, variables: site.variables)
        let log = log
        let (outcome, phases) = try await BuildSession.open(
            command, control: workspace.control, secrets: secrets(spec), isFresh: spec.version == .one,
            limit: policy.pipeline.build.timeout, cancellation: cancellation,
            output: { log.output($0) }, { try await carryOut(spec, $0) })
        log.finish()
        if outcome.stopped != .cancelled {
            let reports = try await onThread { try readReports(spec, at: site, cancellation) }
            try installation.ledger.record(exported: phases.exported, reports, of: job, joining: task != nil)
        }
        switch outcome.stopped {
        case .timedOut: return .ended(.failed, "the time limit of \(policy.pipeline.build.timeout.spoken) passed")
        case .cancelled: return .ended(.cancelled, "cancelled")
        case nil: break
        }
        if let failure = phases.failure { return .ended(.failed, failure) }
        guard phases.isComplete, outcome.exit.isSuccess else {
            return .ended(.errored, "the build's shell ended early (\(outcome.exit))")
        }
        try Failpoint.buildBeforePack.reach()
        return try await onThread { try pack(site, phases) }
    }

    // MARK: Parts

    private func driver(
        _ shell: Buildspec.Shell, _ workspace: Workspace, isEnclosed: Bool, variables: [String: String]
    ) -> Command {
        let mark = "build-\(installation.home.path)-\(job.id)-\(job.attempt)"
        var command = Command(
            shell.rawValue, [isEnclosed ? "\(Sandbox.control)/driver" : "\(workspace.control)/driver"],
            environment: variables, in: isEnclosed ? Sandbox.source : workspace.source, as: Sandbox.buildUser,
            mark: mark)
        if isEnclosed {
            let build = policy.pipeline.build
            command = Sandbox(network: build.network, see: build.see).enclosing(command, workspace: workspace)
        }
        return command
    }
}
