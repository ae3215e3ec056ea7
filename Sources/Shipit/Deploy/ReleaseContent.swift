import ArtifactKit
import GitKit

/// What a new release is to contain, opened and checked against the digests of the plan.
struct ReleaseContent {
    let manifest: ManifestFile
    let files: any Content
    /// Of the whole tarball, when the files come from one.
    private let digest: Digest?

    init(_ plan: DeploymentPlan, _ place: DeploymentPlan.ArtifactPlace) throws { try self.init(plan.revision, place) }

    init(_ revision: Revision, _ place: DeploymentPlan.ArtifactPlace) throws {
        guard FileSystem.exists(place.manifest) else { throw Self.gone(place.manifest, revision) }
        do {
            manifest = try ManifestFile(at: place.manifest)
        } catch {
            throw ShipitError(.failure, "\(place.manifest) is damaged, so nothing is deployed from it")
        }
        guard manifest.digest == place.digest else {
            throw ShipitError(.failure, "\(place.manifest) lists other bytes than those that were verified")
        }
        switch place.source {
        case .repository(let path):
            files = RepositoryContent(repository: path, revision: revision)
            digest = nil
        case .tarball(let path, let description, let digest):
            guard FileSystem.exists(path), let there = try ArtifactDescription.read(description) else {
                throw Self.gone(path, revision)
            }
            guard there.digest == digest, there.manifest == place.digest else {
                throw ShipitError(.failure, "\(description) describes other bytes than those that were verified")
            }
            files = try TarballContent(at: path, manifest: manifest, frames: there.frames)
            self.digest = digest
        }
    }

    /// Reads the whole tarball, for who is about to use all of it.
    func verify() throws {
        if let digest, let tarball = files as? TarballContent { try tarball.verify(digest) }
    }

    private static func gone(_ path: String, _ revision: Revision) -> ShipitError {
        ShipitError(
            .failure, "the artifact \(path) is gone",
            hint: "shipit start \(revision.abbreviated()) --rebuild makes it again")
    }
}
