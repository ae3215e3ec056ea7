public import ArtifactKit
import FoundationEssentials
import Glibc
public import GitKit

/// The artifacts of an app, in a folder: a tarball each, with its manifest and its description.
struct ArtifactStore: Sendable {
    let folder: String

    init(_ folder: String) throws {
        self.folder = folder
        _ = try Directory(creating: folder, mode: 0o700)
    }

    /// Where a tarball grows before it has its name.
    func aside(_ job: Job) -> String { "\(folder)/.aside-\(job.id)-\(job.attempt)" }

    /// Where a manifest grows: beside a tarball's place, for who makes both.
    static func manifestAside(_ aside: String) -> String { "\(aside).manifest" }

    /// Where a secondary artifact grows; identifiers have no dots, so that none is taken for the manifest.
    static func aside(_ aside: String, _ identifier: String) -> String { "\(aside).\(identifier).tar.zst" }

    /// Removes all that a job left aside.
    func drop(aside: String) {
        let own = aside.split(separator: "/").last.map(String.init) ?? aside
        for name in FileSystem.names(in: folder) where name == own || name.hasPrefix(own + ".") {
            unlink("\(folder)/\(name)")
        }
    }

    /// A new file for a manifest; what a job that died left in its place goes.
    func createManifest(aside: String) throws -> FileWriter {
        let path = Self.manifestAside(aside)
        unlink(path)
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        return try Directory(path: folder).createFile(Array(path[path.index(after: slash)...].utf8), mode: 0o600)
    }

    /// Removes what builds that died left aside; the caller is the only one who works in this home.
    static func sweep(_ home: Home) {
        for app in FileSystem.names(in: "\(home.path)/artifacts") {
            for name in FileSystem.names(in: home.artifacts(app)) where name.contains(".aside-") {
                unlink("\(home.artifacts(app))/\(name)")
            }
        }
    }

    /// Gives a manifest its name before there is a tarball.
    ///
    /// Not synced: until the tarball is there, one that a power cut took or damaged is made again.
    func keepManifest(_ aside: String, of revision: Revision) throws -> (file: String, manifest: ManifestFile) {
        let file = "\(revision.hex).tar.zst"
        try move(Self.manifestAside(aside), to: Self.manifestName(of: file))
        return (file, try manifest(of: file))
    }

    /// Gives a finished tarball its name; one that is there with other bytes is kept, and the new one stands beside it.
    ///
    /// The manifest is aside too, or has its name already. Gives the name, and whether the bytes differ from those of an
    /// earlier build of the same commit.
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
        let manifest = Self.manifestAside(aside)
        if FileSystem.exists(manifest) { try move(manifest, to: Self.manifestName(of: file)) }
        try FileSystem.syncFile("\(folder)/\(Self.manifestName(of: file))")
        let description = ArtifactDescription(
            digest: summary.digest, size: summary.size, manifest: summary.manifest, entries: summary.entries,
            frames: summary.frames, provenance: provenance)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // The sync of the folder below covers all names.
        let name = "\(folder)/\(Self.descriptionName(of: file))"
        try FileSystem.write(name, Array(try encoder.encode(description)), mode: 0o600, syncFolder: false)
        for entry in provenance.secondary ?? [] {
            try move(Self.aside(aside, entry.identifier), to: entry.file(beside: file))
        }
        try Failpoint.packBeforeRename.reach()
        try move(aside, to: file)
        try FileSystem.syncFolder(of: "\(folder)/\(file)")
        try Failpoint.packAfterRename.reach()
        return (file, differs)
    }

    private func move(_ path: String, to name: String) throws {
        guard rename(path, "\(folder)/\(name)") == 0 else {
            throw ShipitError(.failure, "could not rename \(path): \(systemReason(errno))")
        }
    }

    func manifest(of file: String) throws -> ManifestFile { try ManifestFile(at: path(Self.manifestName(of: file))) }

    /// The tarball by its frames, without looking at its bytes.
    func content(of file: String) throws -> TarballContent? {
        guard let description = try description(of: file) else { return nil }
        return try TarballContent(at: path(file), manifest: try manifest(of: file), frames: description.frames)
    }

    func description(of file: String) throws -> ArtifactDescription? {
        try ArtifactDescription.read("\(folder)/\(Self.descriptionName(of: file))")
    }

    static func descriptionName(of file: String) -> String { base(file) + ".json" }

    static func manifestName(of file: String) -> String { base(file) + ".manifest" }

    /// The files of an artifact by its tarball's name; secondary artifacts are besides.
    static func files(of file: String) -> [String] { [file, "\(base(file)).json", "\(base(file)).manifest"] }

    /// The tarball's name beside which a file is kept: its own for all but secondary artifacts.
    static func primary(of name: String) -> String {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[2...] == ["tar", "zst"] ? "\(parts[0]).tar.zst" : name
    }

    /// Secondary artifacts that are kept beside a tarball.
    func secondaries(of file: String) -> [String] {
        FileSystem.names(in: folder).filter { $0 != file && Self.primary(of: $0) == file }
    }

    static func base(_ file: String) -> String {
        file.hasSuffix(".tar.zst") ? String(file.dropLast(".tar.zst".count)) : file
    }

    func path(_ file: String) -> String { "\(folder)/\(file)" }

    func remove(_ file: String) {
        for name in Self.files(of: file) + secondaries(of: file) { unlink("\(folder)/\(name)") }
    }
}

/// What stands beside a tarball: its digest, its frames and where it comes from.
public struct ArtifactDescription: Codable, Sendable {
    public let digest: Digest
    public let size: Int64
    /// The digest of its manifest, which stands beside it too.
    public let manifest: Digest
    public let entries: Int
    /// One for each section of the manifest.
    public let frames: [Frame]
    public let provenance: Provenance
}

extension ArtifactDescription {
    /// Nil when there is none; throws when it is damaged.
    static func read(_ path: String) throws -> ArtifactDescription? {
        guard let bytes = try FileSystem.read(path, limit: 1 << 30) else { return nil }
        do {
            return try JSONDecoder().decode(ArtifactDescription.self, from: Data(bytes))
        } catch {
            // Whatever it says instead: it is not what was written there.
            let name = path.split(separator: "/").last ?? ""
            throw ShipitError(
                .failure, "\(path) is damaged",
                hint: "shipit start \(name.prefix(7)) --rebuild makes the artifact again")
        }
    }
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
    public let method: Artifact.Method
    public let buildspec: Digest?
    public let sandboxed: Bool
    public let network: Bool
    public let policy: String
    /// Versions of the programs and libraries that took part.
    public let tools: [String: String]
    /// The name that the buildspec gives the artifact; nothing is named after it.
    public let name: String?
    public let secondary: [SecondaryArtifact]?
}

/// A tarball that a build made besides the one that is deployed; kept and removed with that.
public struct SecondaryArtifact: Codable, Sendable {
    public let identifier: String
    public let digest: Digest
    public let size: Int64
    public let entries: Int

    func file(beside primary: String) -> String { "\(ArtifactStore.base(primary)).\(identifier).tar.zst" }
}

extension Provenance {
    init(
        _ run: Run, _ commit: Commit, _ policy: Policy, method: Artifact.Method, buildspec: Digest? = nil,
        sandboxed: Bool = false, name: String? = nil, secondary: [SecondaryArtifact] = []
    ) {
        self.init(
            app: run.app, revision: run.revision, tree: commit.tree, repository: policy.pipeline.repository,
            run: run.id, by: run.by, at: Timestamp.now.rfc3339, method: method, buildspec: buildspec,
            sandboxed: sandboxed, network: policy.pipeline.build.network, policy: policy.digest, tools: Versions.all,
            name: name, secondary: secondary.isEmpty ? nil : secondary)
    }
}
