public import GitKit

/// An app as it is installed here: its policy and where its things are.
public struct App: Hashable, Sendable {
    public let name: String
    public let policy: Policy
    public let warnings: [Diagnostic]
    /// The repository on this machine: the app's own, or the mirror of one elsewhere.
    public let repositoryPath: String

    public var pipeline: Pipeline { policy.pipeline }

    /// Opens the app's repository; the handle must stay in the task that opened it.
    public func repository() throws -> Repository { try Repository(at: repositoryPath) }
}
