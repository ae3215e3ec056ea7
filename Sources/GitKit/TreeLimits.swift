/// How much of a tree is believed before the walk refuses to go on.
public struct TreeLimits: Hashable, Sendable {
    public var depth: Int
    public var pathLength: Int
    public var entries: Int
    /// Of the tree objects that are open at once, one for each level.
    public var treeBytes: Int
    /// Of one `.gitattributes` file.
    public var attributeBytes: Int

    public init(
        depth: Int = 256, pathLength: Int = 4096, entries: Int = 2_000_000, treeBytes: Int = 32 << 20,
        attributeBytes: Int = 1 << 20
    ) {
        self.depth = depth
        self.pathLength = pathLength
        self.entries = entries
        self.treeBytes = treeBytes
        self.attributeBytes = attributeBytes
    }
}
