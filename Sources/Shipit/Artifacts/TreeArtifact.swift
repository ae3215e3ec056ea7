import ArtifactKit
import GitKit
import Glibc

/// Artifacts of revisions that have no build: made of the repository, and of what the artifact before has in common.
struct TreeArtifact {
    let installation: Installation
    let app: String
    let repository: String

    /// How many artifacts are looked at for one that can be built upon.
    private static let bases = 5

    /// The newest artifact of the tree as it is whose manifest can be used; nil when there is none.
    func base(for revision: Revision) -> TreeManifest.Base? {
        // Whatever cannot be read is no base: then all of the tree is read.
        guard let store = try? ArtifactStore(installation.home.artifacts(app)),
            let artifacts = try? installation.ledger.packedArtifacts(app: app, limit: Self.bases)
        else { return nil }
        for artifact in artifacts where artifact.revision != revision {
            if artifact.method == .tree, let manifest = try? store.manifest(of: artifact.file),  // as above
                manifest.digest == artifact.manifest
            {
                return TreeManifest.Base(
                    revision: artifact.revision, manifest: manifest, hasExportRules: artifact.hasExportRules)
            }
        }
        return nil
    }

    /// The manifest of an artifact that is yet to be packed; made again if a power cut took it.
    func manifest(of artifact: Artifact, aside: String) throws -> ManifestFile {
        let store = try ArtifactStore(installation.home.artifacts(app))
        // Missing, cut short or another: it can be made again, so why does not matter.
        if let manifest = try? store.manifest(of: artifact.file), manifest.digest == artifact.manifest {
            return manifest
        }
        let summary = try TreeManifest(repository: try Repository(at: repository), revision: artifact.revision)
            .write(to: try store.createManifest(aside: aside), from: nil)
        guard summary.digest == artifact.manifest else {
            unlink(ArtifactStore.manifestAside(aside))
            throw ShipitError(
                .failure, "the tree of \(artifact.revision.abbreviated()) does not give the manifest of the artifact",
                hint: "shipit start \(artifact.revision.abbreviated()) --rebuild")
        }
        return try store.keepManifest(aside, of: artifact.revision).manifest
    }

    /// Packs the tarball, on the disk when this returns; frames that the artifact before has are taken from there.
    func pack(_ artifact: Artifact, _ run: Run, _ job: Job, _ policy: Policy, _ log: LogFile) throws {
        let store = try ArtifactStore(installation.home.artifacts(app))
        let aside = store.aside(job)
        unlink(aside)
        defer { unlink(aside) }
        let began = ContinuousClock.now
        let manifest = try manifest(of: artifact, aside: aside)
        try Failpoint.buildBeforePack.reach()
        let packing = Packing(
            manifest: manifest, content: RepositoryContent(repository: repository, revision: artifact.revision))
        let summary = try packing.pack(into: aside, reusing: reusable(for: artifact.revision, store))
        let commit = try Repository(at: repository).commit(artifact.revision)
        let (file, _) = try store.keep(aside, summary, Provenance(run, commit, policy, method: .tree))
        let time = (ContinuousClock.now - began).spoken
        log.say(
            "artifact \(file), \(summary.size) bytes, \(summary.entries) entries, sha256 \(summary.digest), packed in \(time)"
        )
        try installation.ledger.packed(artifact, summary.digest, size: summary.size)
    }

    /// The tarball of the artifact before, if the same libraries made it: others could compress otherwise.
    private func reusable(for revision: Revision, _ store: ArtifactStore) -> TarballContent? {
        // A tarball that cannot be read is of no use; then all is compressed again.
        guard let artifacts = try? installation.ledger.packedArtifacts(app: app, limit: Self.bases) else { return nil }
        for artifact in artifacts where artifact.revision != revision {
            if let description = try? store.description(of: artifact.file),  // as above
                description.provenance.tools["libarchive"] == Versions.all["libarchive"],
                description.manifest == artifact.manifest, let content = try? store.content(of: artifact.file),
                // A bit that flipped there must not be handed on to every later tarball.
                let digest = artifact.digest, (try? content.verify(digest)) != nil
            {
                return content
            }
        }
        return nil
    }
}
