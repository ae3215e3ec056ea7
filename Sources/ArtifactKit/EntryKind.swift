/// What an artifact can contain; there is nothing else in one.
public enum EntryKind: String, Codable, Sendable {
    case file, directory, link
}
