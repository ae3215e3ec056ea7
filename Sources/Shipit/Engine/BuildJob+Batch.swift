import ArtifactKit
import GitKit
import Glibc

/// The builds of a batch, one after the other, and one artifact of them all (AWS reference 3.7).
extension BuildJob {
    /// What one build left.
    private struct Left: Sendable {
        var artifacts: [SecondaryArtifact] = []
        var isEnclosed: Bool
    }

    private struct Part {
        let task: Buildspec.Batch.Task
        let spec: Buildspec
    }

    /// What each build leaves is kept under its identifier, and all of it together is what is deployed.
    func build(
        _ batch: Buildspec.Batch, of spec: Buildspec, digest: Digest, _ aside: String, _ store: ArtifactStore,
        _ cancellation: Cancellation
    ) async throws -> Result {
        try installation.ledger.record(exported: [:], [], of: job)
        let parts = try await parts(batch, spec)
        // A build without artifacts leaves none, unless nobody says anything about any.
        let leavesAll = parts.allSatisfy { $0.spec.artifacts == nil } ? parts.last?.task.identifier : nil
        var (left, broken, failures): (Left, Set<String>, [String]) = (Left(isEnclosed: true), [], [])
        for (index, part) in parts.enumerated() {
            let name = part.task.identifier
            log.say("build \(name) (\(index + 1) of \(parts.count))")
            if let missing = part.task.dependsOn.first(where: broken.contains) {
                log.say("build \(name) is left out: it depends on \(missing)")
                broken.insert(name)
                continue
            }
            var one = self
            one.task = name
            let leavesAll = leavesAll == name
            switch try await one.build(
                part.spec, cancellation,
                pack: { [one] in
                    try one.pack(part.spec, $1, at: $0, aside, everything: leavesAll)
                })
            {
            case .made(let more):
                left.artifacts += more.artifacts
                left.isEnclosed = left.isEnclosed && more.isEnclosed
            case .ended(.failed, let reason):
                log.say("build \(name) failed: \(reason)\(part.task.ignoresFailure ? " (ignored)" : "")")
                guard !part.task.ignoresFailure else { continue }
                broken.insert(name)
                failures.append("\(name): \(reason)")
            case .ended(let status, let reason): return .ended(status, "\(name): \(reason)")
            }
            if batch.failsFast, !failures.isEmpty { break }
        }
        if let first = failures.first {
            return .ended(.failed, first + (failures.count > 1 ? ", and \(failures.count - 1) more failed" : ""))
        }
        guard !left.artifacts.isEmpty else { return .ended(.failed, "no build of the batch left an artifact") }
        let names = left.artifacts.map(\.identifier)
        guard Set(names).count == names.count else {
            return .ended(
                .failed, "two artifacts of the batch have one name: \(names.sorted().joined(separator: ", "))")
        }
        try Failpoint.buildBeforePack.reach()
        let all = left
        return try await onThread { try combine(all, digest, aside, store) }
    }

    /// All buildspecs, before any of them is built.
    private func parts(_ batch: Buildspec.Batch, _ spec: Buildspec) async throws -> [Part] {
        var (parts, wrong): ([Part], [Diagnostic]) = ([], [])
        for task in batch.tasks {
            let name = task.buildspec ?? policy.pipeline.build.buildspec
            var found = spec
            if let path = task.buildspec {
                do {
                    guard let other = try await buildspec(path) else {
                        wrong.append(Diagnostic(.error, file: path, "\(task.identifier) wants it, and it is not there"))
                        continue
                    }
                    found = other.spec
                } catch let error as Diagnostics {
                    wrong += error.all
                    continue
                }
            }
            if found.phases.isEmpty {
                wrong.append(
                    Diagnostic(.error, file: name, "\(task.identifier) has nothing to do: there are no phases"))
            }
            found.variables.merge(task.variables) { $1 }
            parts.append(Part(task: task, spec: found))
        }
        let artifacts = Dictionary(parts.map { ($0.task.identifier, $0.spec.artifacts) }) { $1 }
        if let clash = batch.clash({ artifacts[$0.identifier] ?? nil }) {
            wrong.append(Diagnostic(.error, file: policy.pipeline.build.buildspec, clash))
        }
        if !wrong.isEmpty { throw Diagnostics(wrong) }
        return parts
    }

    private func pack(
        _ spec: Buildspec, _ phases: Phases, at site: Site, _ aside: String, everything: Bool
    ) throws -> Attempt<Left> {
        var left = Left(isEnclosed: site.isEnclosed)
        guard let task, spec.artifacts != nil || everything else { return .made(left) }
        let source = site.workspace.source
        do {
            guard let wanted = spec.artifacts?.expanded(phases.environment ?? [:]) else {
                left.artifacts = [try pack([], of: source, as: task, aside)]
                return .made(left)
            }
            if let name = phases.artifactName { log.say("artifact name: \(visibleLine(name))") }
            if !wanted.files.isEmpty { left.artifacts.append(try pack([wanted], of: source, as: task, aside)) }
            for entry in wanted.secondary {
                left.artifacts.append(try pack([entry.artifacts], of: source, as: "\(task)-\(entry.identifier)", aside))
            }
            return .made(left)
        } catch let fault as Collection.Fault {
            return .ended(.failed, fault.description)
        }
    }

    /// Puts all artifacts into one; two that have different files of one name cannot be.
    private func combine(
        _ left: Left, _ digest: Digest, _ aside: String, _ store: ArtifactStore
    ) throws -> Result {
        let folder = installation.home.workspace(job)
        Workspaces.remove(folder)
        defer { Workspaces.remove(folder) }
        let directory = try Directory(creating: folder, mode: 0o700)
        var seen: [[UInt8]: (entry: ManifestEntry, of: String)] = [:]
        for artifact in left.artifacts {
            let path = ArtifactStore.aside(aside, artifact.identifier)
            var wanted: Set<[UInt8]> = []
            for entry in try TarballReader.list(at: path).entries {
                if let other = seen[entry.path] {
                    if other.entry == entry { continue }
                    return .ended(
                        .failed,
                        "the builds \(other.of) and \(artifact.identifier) leave different \(visible(entry.path)), so there is no one artifact of both"
                    )
                }
                seen[entry.path] = (entry, artifact.identifier)
                wanted.insert(entry.path)
            }
            try TarballReader.read(at: path, expecting: artifact.digest) { entry, content in
                if wanted.contains(entry.path) { try directory.add(entry, content) }
            }
        }
        let summary = try Collection(folder, []).pack(
            into: aside, listingIn: try store.createManifest(aside: aside))
        let commit = try Repository(at: policy.pipeline.repositoryPath(in: installation.home)).commit(run.revision)
        let provenance = Provenance(
            run, commit, policy, method: .build, buildspec: digest, sandboxed: left.isEnclosed,
            secondary: left.artifacts)
        return .made(try keep(summary, aside, store, provenance))
    }
}

extension Directory {
    fileprivate func add(_ entry: ManifestEntry, _ content: TarballReader.Content) throws {
        switch entry.kind {
        case .directory: try makeDirectory(entry.path)
        case .link: try createLink(entry.path, target: entry.link)
        case .file:
            let writer = try createFile(entry.path, mode: entry.mode)
            try content { try writer.write($0) }
            try writer.close()
        }
    }
}
