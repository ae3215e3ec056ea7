import GitKit

/// The rules by which an app's runs move, as one pure machine: a state and a happening give a state and actions.
///
/// It knows no clock, no file and no ledger. The ledger loads it, lets it decide in the transaction that records the
/// happening, and carries out its actions in the same one. The rules in words: docs/steering.md.
struct Steering: Hashable, Sendable {
    /// Today's policy.
    let pipeline: Pipeline
    let policy: String
    /// Open jobs, in the order of their runs.
    var steps: [Step]
    var places: [String: Place]
    /// The whole queue stands still: who, and why.
    var pause: String?
    /// Revisions that were rolled back, by environment.
    var bad: [String: Set<Revision>] = [:]
    /// When open artifacts were first verified, by environment; asked for where the next one has a soak.
    var verified: [String: [Int64: Timestamp]] = [:]
    /// What follows from the happening that is being decided.
    var actions: [Action] = []

    /// An environment as far as the rules look at it.
    struct Place: Hashable, Sendable {
        /// The deployment that is live.
        var live: Int64?
        var hold: Hold?
    }

    /// An open job with what decides where it may go.
    struct Step: Hashable, Sendable {
        /// A run has one job at each position.
        struct Key: Hashable, Sendable {
            let run: Int64
            let position: Int
        }

        let key: Key
        let kind: Job.Kind
        /// `build`, or the environment.
        let name: String
        var origin: Origin
        var status: Status = .queued
        var wait: Job.Wait?
        var reason: String?
        var wakesAt: Timestamp?
        var artifact: Int64?
        /// The digest of the artifact's manifest, which an approval names.
        var content = ""
        /// Who asked for this step; nil when the pipeline did.
        var by: String?
        var isRollback = false
        var isEmergency = false
        /// Its deployment had begun and was put back: it goes on without being judged again.
        var isInterrupted = false
        /// Somebody asked to stop it while it ran.
        var isUnwanted = false
        var retries = 0
        var approvals: [Approval] = []
    }

    /// What a run is, for all of its steps.
    struct Origin: Hashable, Sendable {
        let kind: Run.Kind
        let revision: Revision
        let by: String
        var entry: String?
        var goal: String?
        /// The run that brought the revision, for one that only promotes it: what is older than that is older than this.
        var madeBy: Int64?

        init(kind: Run.Kind, revision: Revision, by: String, entry: String? = nil, goal: String? = nil) {
            self.kind = kind
            self.revision = revision
            self.by = by
            self.entry = entry
            self.goal = goal
        }

        init(kind: Run.Kind, revision: Revision, by: String, _ course: Course) {
            self.init(kind: kind, revision: revision, by: by, entry: course.entry, goal: course.goal)
        }
    }

    struct Approval: Hashable, Sendable {
        let id: Int64
        let by: String
        /// Who approved also wrote or pushed it.
        let isAuthor: Bool
        let expiresAt: Timestamp
        let content: String
        let policy: String
        let live: Int64?
    }
}

/// What happened to an app.
enum Happening: Hashable, Sendable {
    /// A push, or somebody started a run.
    case arrived(run: Int64, Steering.Origin)
    /// A person asks for a deployment without a build.
    case called(Steering.Step)
    case built(Steering.Step.Key, artifact: Int64, content: String)
    case deployed(Steering.Step.Key, deployment: Int64, from: Revision?)
    /// In any other way than by a success.
    case ended(Steering.Step.Key, Status)
    case begun(Steering.Step.Key)
    case interrupted(Steering.Step.Key)
    case promoted(Steering.Step.Key, by: String, isEmergency: Bool)
    case approved(Steering.Step.Key, Steering.Approval)
    case retried(Steering.Step, by: String)
    case held(String, Hold)
    case lifted(String)
    case paused(String)
    case resumed
    /// Time passed, or the policy changed.
    case looked
}

/// What follows from a happening, to be recorded with it.
enum Action: Hashable, Sendable {
    case make(Steering.Step)
    /// From the queue to waiting, or waiting for something else now.
    case wait(Steering.Step.Key, Job.Wait, String, until: Timestamp?)
    case queue(Steering.Step.Key)
    case supersede(Steering.Step.Key, by: Int64)
    /// What failed is tried again by itself.
    case retry(Steering.Step.Key, count: Int, of: Int)
    case markBad(String, Revision)
    case unmarkBad(String, Revision)
    case hold(String, because: Revision)
    case liftRollbackHold(String)
    case void(approval: Int64, by: String, Steering.Step.Key, why: String)
    case use(approvals: [Int64], Steering.Step.Key)
}
