/// Something that happened, for people: the one stream that terminals, pages and notifiers read.
public struct Event: Hashable, Sendable, Codable {
    public enum Kind: String, Hashable, Sendable, Codable, CaseIterable {
        case pushIgnored = "push.ignored"
        case runCreated = "run.created"
        case jobQueued = "job.queued"
        case jobPromoted = "job.promoted"
        case jobStarted = "job.started"
        case jobProgress = "job.progress"
        case jobWaiting = "job.waiting"
        case jobSucceeded = "job.succeeded"
        case jobFailed = "job.failed"
        case jobErrored = "job.errored"
        case jobCancelled = "job.cancelled"
        case jobSuperseded = "job.superseded"
        case jobInterrupted = "job.interrupted"
        case approvalGiven = "approval.given"
        case approvalVoid = "approval.void"
        case queuePaused = "queue.paused"
        case queueResumed = "queue.resumed"
        case cancelRequested = "cancel.requested"
        case holdPlaced = "hold.placed"
        case holdLifted = "hold.lifted"
        case artifactDiffers = "artifact.differs"
        case deploymentMarked = "deployment.marked"
        case releaseRepaired = "release.repaired"
        case fetchFailed = "fetch.failed"
        case fetchRecovered = "fetch.recovered"
        case notifyGivenUp = "notify.given-up"
        /// Never in the ledger: what a test of destinations sends.
        case notifyTest = "notify.test"
    }

    public let id: Int64
    public let at: Timestamp
    public let kind: Kind
    public let app: String?
    public let run: Int64?
    public let job: Int64?
    /// Of an event that belongs to no job.
    public var environment: String?
    /// One line, already safe to print.
    public let text: String
}
