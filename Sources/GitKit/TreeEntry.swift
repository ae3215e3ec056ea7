/// One thing in the tree of a commit, by its path from the root.
public struct TreeEntry: Hashable, Sendable {
    /// Bytes, without a leading slash: names need not be UTF-8.
    public let path: [UInt8]
    public let kind: EntryKind
    /// The blob, the tree, or the commit of a submodule.
    public let id: ObjectID

    public init(path: [UInt8], kind: EntryKind, id: ObjectID) {
        self.path = path
        self.kind = kind
        self.id = id
    }
}
