/// A deployment with what people ask about it: who, why, after which checks, for how long, and what came instead.
public struct DeploymentStory: Hashable, Sendable {
    /// One person's yes that let it through.
    public struct Approval: Hashable, Sendable {
        public let by: String
        public let at: Timestamp
        public let reason: String?
    }

    public let deployment: Deployment
    public let run: Run
    /// Why, in the words of who asked.
    public let why: String?
    /// A person asked for just this step.
    public let isAsked: Bool
    public let isEmergency: Bool
    public let approvals: [Approval]
    /// Of the build that made its artifact.
    public let reports: [BuildReport]
    /// Nil when it never went live.
    public let liveFrom: Timestamp?
    /// Nil while it is live.
    public let liveUntil: Timestamp?
    /// What went live in its place.
    public let replacement: Deployment?
    /// Why that was brought.
    public let replacementReason: String?
    /// The revision is marked bad in that environment, and this is its latest deployment there.
    public let bad: BadMark?

    public var isLive: Bool { liveFrom != nil && liveUntil == nil }
    /// A person went back from it.
    public var wasRolledBack: Bool { replacement?.kind == .rollback && replacement?.revision != deployment.revision }
}
