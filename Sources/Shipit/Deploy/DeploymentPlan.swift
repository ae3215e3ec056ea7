public import ArtifactKit
public import GitKit

/// All that is needed to carry out a deployment on a target, and nothing about ledgers, policies or repositories.
///
/// It can be serialised: today the worker carries it out, later the far end of an ssh connection does.
public struct DeploymentPlan: Hashable, Sendable, Codable {
    public enum Kind: String, Hashable, Sendable, Codable {
        /// Makes a new release of the artifact.
        case install
        /// Makes a release live that is there already; nothing is built, fetched or installed.
        case reactivate
    }

    public var deployment: Int64
    /// A target refuses every plan whose token is lower than one it has seen.
    public var token: Int64
    public var kind: Kind
    /// Whose target it is: the app and the home.
    public var owner: TargetOwner
    public var run: Int64
    public var attempt: Int
    public var revision: Revision
    public var previousRevision: Revision?
    /// The release that the ledger calls live.
    public var previousRelease: String?
    /// The release's folder: its number and its revision.
    public var release: String
    public var artifact: ArtifactPlace?
    public var targets: [String]
    public var shared: [SharedPath]
    public var health: HealthCheck?
    /// Puts everything back when something fails.
    public var putsBack: Bool
    /// Variables and secrets of the environment.
    public var variables: [String: String]
    /// Of whoever pushed or started the run: for the revision's own scripts, and never for what the server runs as itself.
    public var runVariables: [String: String] = [:]
    public var secrets: [String]
    /// The server's own hook scripts.
    public var serverHooks: [LifecycleEvent: String]
    /// Release folders are made of a spare one where there is one.
    public var usesSpare: Bool
    /// The user of hook scripts that name none; nil for the owner of the target.
    public var runas: String?
    /// Of each of the server's own hook scripts, in seconds.
    public var hookTimeout: Double
    public var layout = EnvironmentPolicy.Layout.releases
    /// In place, where the appspec does not say.
    public var fileExistsBehavior = Appspec.FileExistsBehavior.disallow
    /// This machine's names for the users and groups of appspecs.
    public var accounts: [String: String] = [:]
    /// A failing ApplicationStop of what is live stops nothing.
    public var ignoresStopFailures = false
    /// A rollback leaves out the Rollback event of what is live.
    public var skipsRollbackHook = false
    /// Hook scripts see a release's files where its appspec has them.
    public var hasView = true
    /// Folders of this machine that nothing may cover: targets, repositories and shipit's home.
    public var reserved: [String] = []

    public struct ArtifactPlace: Hashable, Sendable, Codable {
        public var manifest: String
        /// Of the manifest, and so of every byte that is deployed.
        public var digest: Digest
        public var source: Source
    }

    /// Where the files' content is read from; what is read is compared with the manifest.
    public enum Source: Hashable, Sendable, Codable {
        case tarball(String, description: String, digest: Digest)
        /// The revision in a repository: before there is a tarball, and in the first environment only.
        case repository(String)
    }

    /// Where the releases of a target are.
    func store(of target: String) -> String {
        switch layout {
        case .releases: target
        case .inPlace: Home(owner.home).store(owner.app, owner.environment, target)
        }
    }

    /// All of AWS's events belong to it, as they do whenever files are installed in place.
    var installs: Bool { kind == .install || layout == .inPlace }

    /// In the environment of every process that comes of this attempt.
    var mark: String { "deploy-\(owner.home)-\(deployment).\(token)" }
    /// The same for scripts that put things back.
    var backMark: String { "back-\(owner.home)-\(deployment).\(token)" }
}

/// Whose target a folder is; another's is refused.
public struct TargetOwner: Hashable, Sendable, Codable {
    public var app: String
    public var environment: String
    public var home: String
}

/// What a deployment is about to do to a target, or how it ended there: written before anyone can see an effect.
struct TargetResult: Hashable, Sendable, Codable {
    enum State: String, Hashable, Sendable, Codable {
        case began, succeeded, putBack = "put-back", left
    }

    var deployment: Int64
    var token: Int64
    var state: State
    /// The release that was live before; nil when there was none.
    var from: String?
    var to: String
    /// ApplicationStop of the old release has begun, so that putting back starts it again.
    var stopBegan = false
    /// ApplicationStart of the new release has begun, so that putting back stops it again.
    var startBegan = false
    /// BeforeInstall of the new release or the installation has begun: things outside of the target may have changed.
    var installBegan: Bool?
    /// Why nobody can go back over it, as its hook scripts said.
    var irreversible: String?
    /// What it passed before it was called a success.
    var checks: [DeploymentNotes.Check]?

    /// Whether anything of it can have been noticed.
    var hasBegun: Bool { stopBegan || startBegan || installBegan ?? false }

    func with(_ state: State) -> TargetResult {
        var result = self
        result.state = state
        return result
    }
}

/// A deployment did not succeed: what said no, and what became of what was live.
struct DeploymentFailure: Error, Hashable, Sendable {
    enum Cause: Hashable, Sendable {
        /// The user's command said no.
        case failed
        /// shipit or the machine could not do it.
        case errored
        case cancelled
    }

    var cause: Cause
    var message: String
    /// Putting back failed too, or policy left things as they are.
    var isLeftAsItIs = false
}
