/// What became of one path between two commits; directories are not mentioned, and a rename is a removal and an addition.
public struct Change: Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable, Codable {
        case added
        case modified
        case removed
    }

    public let path: [UInt8]
    public let kind: Kind
    public let oldKind: EntryKind?
    public let newKind: EntryKind?
    public let oldID: ObjectID?
    public let newID: ObjectID?

    public init(
        path: [UInt8], kind: Kind, oldKind: EntryKind?, newKind: EntryKind?, oldID: ObjectID?, newID: ObjectID?
    ) {
        self.path = path
        self.kind = kind
        self.oldKind = oldKind
        self.newKind = newKind
        self.oldID = oldID
        self.newID = newID
    }
}
