/// A commit, copied out of the repository; its texts are harmless to show.
public struct Commit: Hashable, Sendable, Codable {
    public let id: ObjectID
    public let tree: ObjectID
    public let parents: [ObjectID]
    public let author: Signature
    public let committer: Signature
    /// The first paragraph of the message on one line, without control characters.
    public let summary: String
    /// The message up to 64 KiB, with no control characters but tab and newline.
    public let message: String

    public init(
        id: ObjectID, tree: ObjectID, parents: [ObjectID], author: Signature, committer: Signature, summary: String,
        message: String
    ) {
        self.id = id
        self.tree = tree
        self.parents = parents
        self.author = author
        self.committer = committer
        self.summary = summary
        self.message = message
    }
}
