/// Where the content of a manifest's files comes from.
public protocol Content: Sendable {
    /// For one thread.
    func reader() throws -> any ContentReader
}

/// Reads the content of one section after the other.
public protocol ContentReader {
    /// Hands over the files that are wanted, in the order of `entries`, which are all those of the section.
    ///
    /// What is handed over need not be right: whoever takes it compares it with the entry's digest.
    func read(
        _ section: Section, _ entries: [ManifestEntry], wanted: (Int) -> Bool,
        _ visit: (ManifestEntry, TarballReader.Content) throws -> Void
    ) throws
}
