/// In JSON a manifest is an array of one line an entry; see ``ManifestEntry/text``.
extension Manifest: Codable {
    public init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        var entries: [ManifestEntry] = []
        entries.reserveCapacity(min(container.count ?? 0, 1_000_000))
        while !container.isAtEnd {
            let text = try container.decode(String.self)
            guard let entry = ManifestEntry(text: text) else {
                throw ArtifactError(
                    .malformed, what: "read a manifest's line", path: visible(Array(text.utf8.prefix(512))),
                    reason: "it is not a file, a directory or a link")
            }
            entries.append(entry)
        }
        try self.init(entries: entries)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        for entry in entries { try container.encode(entry.text) }
    }
}
