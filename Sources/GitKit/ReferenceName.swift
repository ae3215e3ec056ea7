/// The full name of a branch, a tag or another reference, as the bytes that git keeps.
public struct ReferenceName: Hashable, Sendable {
    public let bytes: [UInt8]

    public init(bytes: [UInt8]) { self.bytes = bytes }

    /// Takes the text as it is; `init(escaped:)` reads what `text` wrote.
    public init(_ text: String) { bytes = Array(text.utf8) }

    /// The inverse of `text`, so that any name can be stored as text.
    public init(escaped text: String) { bytes = String.bytes(unescaping: text) }

    /// The name with control bytes, backslashes and invalid UTF-8 as `\xNN`, safe to show and to store.
    public var text: String { String(escaping: bytes) }

    /// The text without `refs/heads/` or `refs/tags/`; other names stay whole.
    public var short: String {
        for prefix in [Self.branchPrefix, Self.tagPrefix] where bytes.starts(with: prefix) {
            return String(escaping: Array(bytes.dropFirst(prefix.count)))
        }
        return text
    }

    public var isBranch: Bool { bytes.starts(with: Self.branchPrefix) }
    public var isTag: Bool { bytes.starts(with: Self.tagPrefix) }

    private static let branchPrefix = Array("refs/heads/".utf8)
    private static let tagPrefix = Array("refs/tags/".utf8)

    /// Calls with the name as C wants it, or not at all when a NUL would cut it short.
    func withCString<Result>(_ body: (UnsafePointer<CChar>) throws -> Result) rethrows -> Result? {
        guard !bytes.contains(0) else { return nil }
        return try (bytes + [0]).withUnsafeBufferPointer { buffer in
            try buffer.withMemoryRebound(to: CChar.self) { characters in
                // The buffer holds at least the NUL that was just added.
                try body(characters.baseAddress!)
            }
        }
    }
}

extension ReferenceName: CustomStringConvertible {
    public var description: String { text }
}

extension ReferenceName: Codable {
    public init(from decoder: any Decoder) throws {
        self.init(escaped: try decoder.singleValueContainer().decode(String.self))
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
}
