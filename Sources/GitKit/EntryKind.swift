/// What an entry of a tree is, once its mode is reduced as git reduces it: 0100664 is a file, 0104755 an executable.
public enum EntryKind: String, Hashable, Sendable, Codable {
    case file
    case executable
    case link
    case directory
    case submodule

    /// Nil for modes that no git wrote: devices, sockets, nonsense.
    init?(mode: UInt32) {
        switch mode & 0o170000 {
        case 0o100000: self = mode & 0o100 == 0 ? .file : .executable
        case 0o120000: self = .link
        case 0o040000: self = .directory
        case 0o160000: self = .submodule
        default: return nil
        }
    }
}
