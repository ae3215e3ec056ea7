public import GitKit

public typealias Revision = ObjectID

/// Work on one revision of an app, known by a small number that people say aloud.
public struct Run: Hashable, Sendable, Codable {
    public enum Kind: String, Hashable, Sendable, Codable {
        case push, start, promote, rollback
    }

    public let id: Int64
    public let kind: Kind
    public let app: String
    public let revision: Revision
    /// The reference that moved, as text that survives any bytes; nil for runs that people started.
    public let reference: String?
    /// Who asked for it, and from what that is known: `ann (owner of the spool file)`.
    public let by: String
    public let reason: String?
    public let rebuild: Bool
    /// The environment where it enters the pipeline; nil for the first one.
    public let entry: String?
    /// The environment up to which whoever started it promotes it.
    public let goal: String?
    /// Goes before others of its kind.
    public let isNext: Bool
    public let isEmergency: Bool
    public let createdAt: Timestamp
}

/// One step of a run that a worker takes: the build, or a deployment to one environment.
public struct Job: Hashable, Sendable, Codable {
    public enum Kind: String, Hashable, Sendable, Codable {
        case build, deploy
    }

    /// What a waiting job waits for.
    public enum Wait: String, Hashable, Sendable, Codable {
        /// A person, or n of them.
        case promotion, approval
        /// A hold on the environment, or a pause of everything.
        case hold, pause
        /// A time.
        case soak, window, freeze
        /// An older run that is still on its way.
        case turn
    }

    public let id: Int64
    public let run: Int64
    public let app: String
    public let position: Int
    /// `build`, or the name of the environment.
    public let name: String
    public let kind: Kind
    public let status: Status
    public let waits: Wait?
    public let reason: String?
    public let attempt: Int
    public let worker: Int64?
    /// The digest of the policy text that the job was made under.
    public let policy: String
    public let artifact: Int64?
    /// The deployment that a rollback goes back to.
    public let backTo: Int64?
    /// A person wants it to go on when what is live cannot be stopped by its own script.
    public let ignoresStopFailures: Bool
    /// A person wants a rollback to leave out the Rollback event of what is live.
    public internal(set) var skipsRollbackHook = false
    /// A named person lets it skip what else it would wait for.
    public let isEmergency: Bool
    /// Who asked for this step; nil when the pipeline did.
    public let by: String?
    /// Why, in the words of who asked.
    public let why: String?
    /// How often it was retried by itself.
    public let retries: Int
    /// When a waiting job is to be looked at again, if nothing happens before.
    public let wakesAt: Timestamp?
    public let cancelledBy: String?
    public let startedAt: Timestamp?
    public let endedAt: Timestamp?
    /// From the monotonic clock, in seconds.
    public let duration: Double?
}

/// A run with its jobs in order, and so with its status.
public struct RunRecord: Hashable, Sendable {
    public let run: Run
    public let jobs: [Job]

    /// Jobs are made one after the other, so the last one says where the run stands.
    public var status: Status { jobs.last?.status ?? .errored }
    public var reason: String? { jobs.last?.reason }
    /// Some step of it skipped what it would have waited for.
    public var isEmergency: Bool { run.isEmergency || jobs.contains(where: \.isEmergency) }
}
