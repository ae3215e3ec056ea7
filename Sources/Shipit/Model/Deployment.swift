public import ArtifactKit
public import GitKit

/// The act of making a release live in an environment, and how it ended.
public struct Deployment: Hashable, Sendable, Codable {
    public enum Kind: String, Hashable, Sendable, Codable {
        case deploy, rollback
    }

    public let id: Int64
    public let job: Int64
    public let run: Int64
    public let app: String
    public let environment: String
    public let kind: Kind
    public let revision: Revision
    public let artifact: Int64
    /// Numbered per environment, the same in each target; nil until the number was given out.
    public let release: Int?
    /// The deployment that was live when this one began.
    public let previous: Int64?
    public let status: Status
    public let reason: String?
    public let by: String
    public let createdAt: Timestamp
    public let endedAt: Timestamp?
    public let duration: Double?
    /// What only a newer attempt can exceed; targets refuse a lower one.
    public let token: Int64
    /// Why nobody can go back over it, in the words of who marked it.
    public let irreversible: String?
    public let isEmergency: Bool
    /// What it passed before it was called a success; empty when that is not known.
    public internal(set) var checks: [DeploymentNotes.Check] = []
}

/// What a build made of a revision: a manifest, and the tarball of it.
///
/// A revision that has no build is described first and packed while it is staged.
public struct Artifact: Hashable, Sendable, Codable {
    /// How it was made.
    public enum Method: String, Hashable, Sendable, Codable {
        /// By the revision's buildspec.
        case build
        /// The same, in the workspace of an earlier build.
        case patched
        /// Of the revision's tree as it is.
        case tree
    }

    public let id: Int64
    public let app: String
    public let revision: Revision
    /// Of the manifest; nil for one that an older shipit made.
    public let manifest: Digest?
    /// Of the tarball; nil until it is packed.
    public let digest: Digest?
    /// Bytes of the tarball; 0 until it is packed.
    public let size: Int64
    /// The tarball's name below the app's artifacts folder.
    public let file: String
    public let method: Method
    /// The revision has attributes that could leave something out of its tree.
    public let hasExportRules: Bool
    public let run: Int64
    public let createdAt: Timestamp
    /// When retention let the file go; nil while it is there.
    public let removedAt: Timestamp?
}

/// An environment refuses deployments (or only automatic promotions, after a rollback) until a person lifts it.
public struct Hold: Hashable, Sendable, Codable {
    public enum Kind: String, Hashable, Sendable, Codable {
        case hold, rollback
    }

    public let kind: Kind
    public let reason: String
    public let by: String
    public let since: Timestamp
    public let until: Timestamp?

    public init(kind: Kind, reason: String, by: String, since: Timestamp, until: Timestamp?) {
        self.kind = kind
        self.reason = reason
        self.by = by
        self.since = since
        self.until = until
    }

    public func isOver(at now: Timestamp) -> Bool {
        guard let until else { return false }
        return now >= until
    }
}

/// What is live in an environment, what was before it, and whether it is held.
public struct EnvironmentState: Hashable, Sendable {
    public let app: String
    public let name: String
    public let live: Deployment?
    public let previous: Deployment?
    public let hold: Hold?
}
