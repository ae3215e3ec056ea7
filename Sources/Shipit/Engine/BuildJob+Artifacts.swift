import ArtifactKit
import GitKit
import Glibc

/// The artifacts of a build that went well: the one that is deployed, and those that are kept beside it.
extension BuildJob {
    func pack(
        _ spec: Buildspec, _ digest: Digest, _ phases: Phases, at site: Site, _ aside: String, _ store: ArtifactStore
    ) throws -> Result {
        let wanted = spec.artifacts?.expanded(phases.environment ?? [:])
        do {
            let source = site.workspace.source
            // Without files of its own the artifact is what the secondary ones name together.
            let own = wanted.map { $0.files.isEmpty ? $0.secondary.map(\.artifacts) : [$0] } ?? []
            let collection = try Collection(source, own)
            collection.notes.forEach(log.say)
            let summary = try collection.pack(
                into: aside, listingIn: try store.createManifest(aside: aside))
            let secondary = try (wanted?.secondary ?? []).map {
                try pack([$0.artifacts], of: source, as: $0.identifier, aside)
            }
            let provenance = Provenance(
                run, site.commit, policy, method: site.isPatched ? .patched : .build, buildspec: digest,
                sandboxed: site.isEnclosed, name: phases.artifactName, secondary: secondary)
            return .made(try keep(summary, aside, store, provenance))
        } catch let fault as Collection.Fault {
            return .ended(.failed, fault.description)
        }
    }

    /// Packs what is kept beside the artifact.
    func pack(
        _ artifacts: [Buildspec.Artifacts], of source: String, as identifier: String, _ aside: String
    ) throws -> SecondaryArtifact {
        let path = ArtifactStore.aside(aside, identifier)
        unlink(path)
        let collection = try Collection(source, artifacts)
        collection.notes.forEach(log.say)
        let packed = try collection.pack(into: path, listingIn: nil)
        return SecondaryArtifact(
            identifier: identifier, digest: packed.digest, size: packed.size, entries: packed.entries)
    }

    func keep(
        _ summary: TarballSummary, _ aside: String, _ store: ArtifactStore, _ provenance: Provenance,
        hasExportRules: Bool = false
    ) throws -> Artifact {
        let before = store.recordedSecondaries(of: provenance.revision)
        let (file, differs) = try store.keep(aside, summary, provenance)
        let secondary = provenance.secondary ?? []
        for words in store.settleSecondaries(secondary, before: before[file] ?? [], of: file) {
            log.say(words)
            try installation.ledger.note(.artifactDiffers, job, "\(run.revision.abbreviated()): \(words)")
        }
        if differs {
            log.say(
                "this build gave other bytes than an earlier one of the same commit; both are kept, this one as \(file)"
            )
            try installation.ledger.note(
                .artifactDiffers, job, "\(run.revision.abbreviated()) gave other bytes than before: \(file)")
        }
        if let name = provenance.name { log.say("artifact name: \(visibleLine(name))") }
        log.say("artifact \(file), \(summary.size) bytes, \(summary.entries) entries, sha256 \(summary.digest)")
        for entry in secondary {
            log.say(
                "secondary artifact \(entry.file(beside: file)), \(entry.size) bytes, \(entry.entries) entries, sha256 \(entry.digest)"
            )
        }
        return try installation.ledger.addArtifact(
            of: run, manifest: summary.manifest, digest: summary.digest,
            size: secondary.reduce(summary.size) { $0 + $1.size }, file: file,
            method: provenance.method, hasExportRules: hasExportRules)
    }
}

extension Buildspec.Artifacts {
    /// With the values of the build's variables in paths that name them, as at AWS.
    func expanded(_ variables: [String: String]) -> Buildspec.Artifacts {
        guard namesVariables else { return self }
        var artifacts = self
        let expand = { (text: String) in text.expandingVariables(variables).belowSource }
        // What leads out of the source then is nothing that is there.
        artifacts.baseDirectory = baseDirectory.map { expand($0).insideSource ?? ".." }.flatMap {
            $0.isEmpty ? nil : $0
        }
        artifacts.files = files.map { Glob(expand($0.pattern)) }
        artifacts.excludePaths = excludePaths.map { Glob(expand($0.pattern)) }
        artifacts.secondary = secondary.map {
            Buildspec.Secondary(identifier: $0.identifier, artifacts: $0.artifacts.expanded(variables))
        }
        return artifacts
    }
}

extension String {
    /// `$NAME` and `${NAME}`; a name that is not set is empty, and everything else stays as it is.
    func expandingVariables(_ variables: [String: String]) -> String {
        var text = ""
        var rest = self[...]
        while let sign = rest.firstIndex(of: "$") {
            text += rest[..<sign]
            rest = rest[sign...].dropFirst()
            let isBraced = rest.first == "{"
            let inner = isBraced ? rest.dropFirst() : rest
            let name = String(inner.prefix { $0 == "_" || $0.isASCII && ($0.isLetter || $0.isNumber) })
            let after = inner.dropFirst(name.count)
            guard EnvironmentFile.isName(name), !isBraced || after.first == "}" else {
                text += "$"
                continue
            }
            text += variables[name] ?? ""
            rest = isBraced ? after.dropFirst() : after
        }
        return text + rest
    }
}
