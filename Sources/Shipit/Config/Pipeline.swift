/// An app's policy: what ships, from where, to where and in which order. It lives on the server, never in a push.
public struct Pipeline: Hashable, Sendable {
    /// What a waiting run does when a newer one arrives.
    public enum Mode: String, Hashable, Sendable, CaseIterable {
        case superseded, queued
        /// Builds go side by side; what they made still goes live one at a time, in the order of the runs.
        case parallel
    }

    /// What the pusher sees unless a push option says otherwise.
    public enum PushBehaviour: String, Hashable, Sendable, CaseIterable {
        case wait, detach
    }

    public var app: String
    /// A path, or the URL of a repository elsewhere.
    public var repository: String
    /// How often a repository elsewhere is fetched.
    public var fetchInterval: Duration = .seconds(60)
    public var triggers: [Trigger]
    public var mode: Mode = .superseded
    /// In the mode `superseded`, whether a newer run also takes the place of one that waits for a person.
    public var supersedesWaiting = true
    public var push: PushBehaviour = .wait
    /// Push options of other hooks, by name.
    public var foreignOptions: [Glob] = []
    public var allow = Allowance()
    public var build = BuildPolicy()
    public var retention = RetentionPolicy()
    /// Files whose change is a migration, which going back does not undo.
    public var migrations: [Glob] = []
    /// Secrets that commands tell when a job begins.
    public var secrets: [SecretCommand] = []
    /// Who is told what happens.
    public var notify: [Destination] = []
    /// In the order in which a revision passes them; never empty.
    public var environments: [EnvironmentPolicy]

    public func environment(_ name: String) -> EnvironmentPolicy? { environments.first { $0.name == name } }

    /// The environments that a revision passes one after the other; the others are reached by name alone.
    public var chain: [EnvironmentPolicy] {
        environments.enumerated().filter { $0.offset == 0 || $0.element.promotion != .none }.map(\.element)
    }

    /// Where a run with this entry is deployed first; nil when the policy has no such environment any more.
    func first(for entry: String?) -> EnvironmentPolicy? {
        entry.map(environment) ?? environments.first
    }

    /// Whether a run that is promoted up to `goal` passes it, or ends there.
    func isOnTheWay(_ name: String, to goal: String?) -> Bool {
        let chain = chain.map(\.name)
        guard let goal, let end = chain.firstIndex(of: goal), let here = chain.firstIndex(of: name) else {
            return false
        }
        return here <= end
    }

    /// The environment whose verified revision may be promoted into this one.
    public func before(_ name: String) -> EnvironmentPolicy? {
        let chain = chain
        guard let index = chain.firstIndex(where: { $0.name == name }), index > 0 else { return nil }
        return chain[index - 1]
    }

    public func after(_ name: String) -> EnvironmentPolicy? {
        let chain = chain
        guard let index = chain.firstIndex(where: { $0.name == name }) else { return nil }
        return chain.indices.contains(index + 1) ? chain[index + 1] : nil
    }
}

/// How a revision is built.
public struct BuildPolicy: Hashable, Sendable {
    /// Whether builds run enclosed by bubblewrap.
    public enum Sandbox: String, Hashable, Sendable, CaseIterable {
        case auto, required, off
    }

    /// What a build works in.
    public enum Workspace: String, Hashable, Sendable, CaseIterable {
        /// An export of the revision and nothing else.
        case fresh
        /// What the last successful build left, brought to the revision.
        case patched
    }

    /// What a build does that wants another version of a language than is installed.
    public enum RuntimeVersions: String, Hashable, Sendable, CaseIterable {
        case warn, error
    }

    public var buildspec = "buildspec.yml"
    public var timeout: Duration = .seconds(3600)
    public var sandbox = Sandbox.auto
    public var network = true
    public var workspace = Workspace.fresh
    public var runtimeVersions = RuntimeVersions.warn
    /// How many of the app's builds run side by side in the mode `parallel`.
    public var atOnce = 4
    /// How often a build that did not succeed is tried again by itself.
    public var retry = 0
    /// Folders outside /usr that builds may read; their `bin` folders join PATH.
    public var see: [String] = []
    /// Variables that must be set before the first command.
    public var requires: [String] = []

    public init() {}
}

/// Where releases of one environment go live, and under which conditions.
public struct EnvironmentPolicy: Hashable, Sendable {
    public enum Promotion: String, Hashable, Sendable, CaseIterable {
        case manual, automatic
        /// Nothing goes on to it: triggers, push options and promotions name it.
        case none
    }

    public enum OnFailure: String, Hashable, Sendable, CaseIterable {
        case rollback, stop
    }

    /// How a target gets its files.
    public enum Layout: String, Hashable, Sendable, Codable, CaseIterable {
        /// A folder for each release, and a link to the live one.
        case releases
        /// Files among those of others, as CodeDeploy installs them (AWS reference 1.6).
        case inPlace = "in-place"
    }

    public var name: String
    public var targets: [String]
    public var layout = Layout.releases
    public var promotion = Promotion.manual
    public var shared: [SharedPath] = []
    /// Good releases kept, besides the live one and the one before it.
    public var keep = 5
    /// A release is prepared ahead in each target, so that a deployment costs no more than what changed.
    public var spare = true
    public var health: HealthCheck?
    /// Variables that must be set before the first hook script.
    public var requires: [String] = []
    public var onFailure = OnFailure.rollback
    /// The user of hook scripts that name none; nil for the owner of the target.
    public var runas: String?
    /// This machine's names for the users and groups of appspecs.
    public var accounts: [String: String] = [:]
    /// What becomes of files that are there and that no deployment brought, where the appspec does not say.
    public var fileExistsBehavior = Appspec.FileExistsBehavior.disallow
    /// Goes on when what is live cannot be stopped by its own script.
    public var ignoresStopFailures = false
    /// Hook scripts of a release see its files where the appspec has them.
    public var hasView = true
    /// What has to be said before anything goes here; nil: nothing.
    public var approvals: ApprovalPolicy?
    /// How long a revision has to have been verified in the environment before.
    public var soak: Duration?
    /// When anything may go here; empty: always.
    public var windows: [CronExpression] = []
    public var freezes: [Freeze] = []
    /// How often a deployment that did not succeed is tried again by itself.
    public var retry = 0
    /// The time limit of the server's own hook scripts.
    public var hookTimeout: Duration = .seconds(3600)
}

/// A file or folder that outlives releases, linked into each by name.
public struct SharedPath: Hashable, Sendable, Codable {
    /// Relative, without a slash at the end.
    public var path: String
    public var isFolder: Bool

    public var written: String { isFolder ? path + "/" : path }
}

/// How a new release proves that it works, after ValidateService.
public struct HealthCheck: Hashable, Sendable, Codable {
    public enum Probe: Hashable, Sendable, Codable {
        /// Answers with a status from 200 to 399; plain http only.
        case url(String)
        /// Exits with 0; run without a shell.
        case command([String])
    }

    public var probe: Probe
    /// Tried again and again until then, in seconds.
    public var within: Double
}
