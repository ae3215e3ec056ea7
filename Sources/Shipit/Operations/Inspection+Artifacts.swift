import ArtifactKit
import CLinux
import GitKit
import Glibc

extension Inspection {
    /// Each artifact of the ledger against its two files, and files that the ledger does not know.
    mutating func inspectArtifacts(of app: App) throws {
        let folder = installation.home.artifacts(app.name)
        let artifacts = try installation.ledger.artifacts(app: app.name)
        let needed = try installation.ledger.neededArtifacts(of: app.pipeline)
        for artifact in artifacts {
            // Older versions let files go without a word to the ledger, which remembers what was deployed.
            if !needed.contains(artifact.id), !FileSystem.exists("\(folder)/\(artifact.file)"),
                try installation.ledger.wasDeployed(artifact)
            {
                continue
            }
            // One without a tarball can be packed whenever it is needed; what is there of it is looked at then.
            if artifact.digest != nil { inspect(artifact, in: folder) }
        }
        // A build writes aside, and names the tarball before the ledger has it.
        guard !isBusy else { return }
        let known = Set(artifacts.flatMap { ArtifactStore.files(of: $0.file) })
        for name in FileSystem.names(in: folder) where !known.contains(ArtifactStore.primary(of: name)) {
            let path = "\(folder)/\(name)"
            find(
                .artifactUnknown, .warning, at: path,
                name.contains(".aside-")
                    ? "a build that was interrupted left it behind" : "the ledger does not know it",
                remedy: "remove it", repair: .removeFile(path))
        }
    }

    private mutating func inspect(_ artifact: Artifact, in folder: String) {
        let path = "\(folder)/\(artifact.file)"
        let again = "shipit start \(artifact.revision.abbreviated()) --rebuild --app \(artifact.app) makes it again"
        guard FileSystem.linkStatus(path) != nil else {
            find(
                .artifactMissing, at: path, "the artifact of \(artifact.revision.abbreviated()) is gone", remedy: again)
            return
        }
        do {
            let (digest, size) = try Digest.ofFile(at: path)
            guard digest == artifact.digest else {
                find(
                    .artifactDamaged, at: path,
                    "it has \(size) bytes of digest \(digest); the ledger has \(artifact.digest?.description ?? "none")",
                    remedy: "\(again); nothing is deployed from it")
                return
            }
        } catch {
            find(.artifactDamaged, at: path, "\(error)", remedy: again)
            return
        }
        inspectDescription(of: artifact, in: folder, again)
    }

    private mutating func inspectDescription(of artifact: Artifact, in folder: String, _ again: String) {
        let path = "\(folder)/\(ArtifactStore.descriptionName(of: artifact.file))"
        do {
            guard let description = try ArtifactStore(folder).description(of: artifact.file) else {
                find(.descriptionDamaged, at: path, "the artifact's description is gone", remedy: again)
                return
            }
            // Earlier versions recorded the size without secondary artifacts.
            guard description.digest == artifact.digest,
                [description.size, description.sizeOfAll].contains(artifact.size),
                description.manifest == artifact.manifest, description.provenance.revision == artifact.revision
            else {
                find(.descriptionDamaged, at: path, "it describes another artifact", remedy: again)
                return
            }
            try inspectManifest(of: artifact, in: folder, again)
            for entry in description.provenance.secondary ?? [] {
                inspect(entry, "\(folder)/\(entry.file(beside: artifact.file))", again)
            }
        } catch let error as ShipitError {
            find(.descriptionDamaged, at: path, error.message, remedy: again)
        } catch {
            find(.descriptionDamaged, at: path, "\(error)", remedy: again)
        }
    }

    private mutating func inspect(_ secondary: SecondaryArtifact, _ path: String, _ again: String) {
        guard FileSystem.linkStatus(path) != nil else {
            find(.artifactMissing, .warning, at: path, "a secondary artifact is gone", remedy: again)
            return
        }
        // What cannot be read is damaged, whatever the reason.
        if (try? Digest.ofFile(at: path).digest) != secondary.digest {
            find(.artifactDamaged, .warning, at: path, "it has other bytes than its build made", remedy: again)
        }
    }

    private mutating func inspectManifest(of artifact: Artifact, in folder: String, _ again: String) throws {
        let path = "\(folder)/\(ArtifactStore.manifestName(of: artifact.file))"
        let manifest: Manifest
        do {
            let file = try ManifestFile(at: path)
            guard file.digest == artifact.manifest else {
                find(.descriptionDamaged, at: path, "it is the manifest of another artifact", remedy: again)
                return
            }
            manifest = try file.load()
        } catch {
            find(.descriptionDamaged, at: path, "\(error)", remedy: again)
            return
        }
        let listed = try TarballReader.list(at: "\(folder)/\(artifact.file)")
        guard let difference = listed.differences(from: manifest).first else { return }
        find(
            .descriptionDamaged, at: path, "\(visible(difference.path)) differs between manifest and tarball",
            remedy: again)
    }
}
