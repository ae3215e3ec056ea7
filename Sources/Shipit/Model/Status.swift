/// Where a run, a job or a deployment stands.
///
/// *failed*: the user's command said no. *errored*: shipit or the machine could not do its part.
public enum Status: String, Hashable, Sendable, Codable, CaseIterable {
    case queued, running, waiting, succeeded, failed, errored, cancelled, superseded

    /// Nothing more will happen by itself or by a worker.
    public var isFinal: Bool {
        switch self {
        case .queued, .running, .waiting: false
        case .succeeded, .failed, .errored, .cancelled, .superseded: true
        }
    }

    /// The only changes that the ledger accepts.
    public func permits(_ next: Status) -> Bool {
        switch (self, next) {
        case (.queued, .running), (.queued, .waiting), (.waiting, .queued): true
        case (.queued, .cancelled), (.queued, .superseded), (.waiting, .cancelled), (.waiting, .superseded): true
        case (.queued, .errored), (.waiting, .errored): true
        case (.running, .queued): true  // the worker died; the job is taken up again
        case (.running, .succeeded), (.running, .failed), (.running, .errored), (.running, .cancelled): true
        case (.failed, .queued), (.errored, .queued), (.cancelled, .queued): true  // retry
        default: false
        }
    }
}
