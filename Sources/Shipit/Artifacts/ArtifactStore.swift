public import ArtifactKit
import FoundationEssentials
import Glibc
public import GitKit

/// The artifacts of an app: a tarball and a description per build, in a folder.
struct ArtifactStore: Sendable {
    let folder: String

    init(_ folder: String) throws {
        self.folder = folder
        _ = try Directory(creating: folder, mode: 0o700)
    }

    /// Where a tarball grows before it has its name.
    func aside(_ job: Job) -> String { "\(folder)/.aside-\(job.id)-\(job.attempt)" }

    /// Removes what builds that died left aside; the caller is the only one who works in this home.
    static func sweep(_ home: Home) {
        for app in FileSystem.names(in: "\(home.path)/artifacts") {
            for name in FileSystem.names(in: home.artifacts(app)) where name.contains(".aside-") {
                unlink("\(home.artifacts(app))/\(name)")
            }
        }
    }

    /// Gives a finished tarball its name; one that is there with other bytes is kept, and the new one stands beside it.
    ///
    /// Gives the name, and whether the bytes differ from those of an earlier build of the same commit.
    func keep(_ aside: String, _ summary: TarballSummary, _ provenance: Provenance) throws -> (
        file: String, differs: Bool
    ) {
        let revision = provenance.revision.hex
        var file = "\(revision).tar.zst"
        var differs = false
        // A description that is damaged is as good as none: this build is what mends it.
        if let there = try? description(of: file), there.digest != summary.digest {
            file = "\(revision)-\(summary.digest.description.prefix(12)).tar.zst"
            differs = true
        }
        let description = ArtifactDescription(
            digest: summary.digest, size: summary.size, provenance: provenance, manifest: summary.manifest)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // The sync of the folder below covers both names.
        let name = "\(folder)/\(descriptionName(of: file))"
        try FileSystem.write(name, Array(try encoder.encode(description)), mode: 0o600, syncFolder: false)
        try Failpoint.packBeforeRename.reach()
        guard rename(aside, "\(folder)/\(file)") == 0 else {
            throw ShipitError(.failure, "could not rename \(aside): \(systemReason(errno))")
        }
        try FileSystem.syncFolder(of: "\(folder)/\(file)")
        try Failpoint.packAfterRename.reach()
        return (file, differs)
    }

    func description(of file: String) throws -> ArtifactDescription? {
        guard let bytes = try FileSystem.read("\(folder)/\(descriptionName(of: file))", limit: 1 << 30) else {
            return nil
        }
        do {
            return try JSONDecoder().decode(ArtifactDescription.self, from: Data(bytes))
        } catch {
            throw ShipitError(
                .failure, "\(folder)/\(descriptionName(of: file)) is damaged",
                hint: "shipit start \(file.prefix(7)) --rebuild makes the artifact again")
        }
    }

    func descriptionName(of file: String) -> String {
        (file.hasSuffix(".tar.zst") ? String(file.dropLast(".tar.zst".count)) : file) + ".json"
    }

    func path(_ file: String) -> String { "\(folder)/\(file)" }

    func remove(_ file: String) {
        for name in [file, descriptionName(of: file)] { unlink("\(folder)/\(name)") }
    }
}

/// What stands beside a tarball: its digest, where it comes from, and all that is in it.
public struct ArtifactDescription: Codable, Sendable {
    public let digest: Digest
    public let size: Int64
    public let provenance: Provenance
    public let manifest: Manifest
}

/// Who made an artifact, of what, when and with what.
public struct Provenance: Codable, Sendable {
    public let app: String
    public let revision: Revision
    public let tree: ObjectID
    public let repository: String
    public let run: Int64
    public let by: String
    public let at: String
    /// How it was made: `build` (by its buildspec), `patched` (the same, in the workspace of an earlier build)
    /// or `tree` (packed as it is).
    public let method: String
    public let buildspec: Digest?
    public let sandboxed: Bool
    public let network: Bool
    public let policy: String
    /// Versions of the programs and libraries that took part.
    public let tools: [String: String]
}
