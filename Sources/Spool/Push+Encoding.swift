extension Push {
    static let firstLine = Array("shipit-push 1\n".utf8)

    /// The bytes of a spool file: a first line, then records `key SP length LF bytes LF`, the last one `end`.
    public func encoded() -> [UInt8] {
        var bytes = Self.firstLine
        bytes.reserveCapacity(512 + updates.count * 160)
        Self.append("repository", repository, to: &bytes)
        Self.append("received-at", Array(String(receivedAtNanoseconds).utf8), to: &bytes)
        Self.append("sequence", Array(String(sequence).utf8), to: &bytes)
        for claim in claims { Self.append("claim", Array("\(claim.name)=".utf8) + claim.value, to: &bytes) }
        for option in options { Self.append("option", option, to: &bytes) }
        for update in updates { Self.append("update", update.line, to: &bytes) }
        Self.append("end", [], to: &bytes)
        return bytes
    }

    private static func append(_ key: String, _ value: [UInt8], to bytes: inout [UInt8]) {
        bytes += key.utf8
        bytes.append(UInt8(ascii: " "))
        bytes += String(value.count).utf8
        bytes.append(UInt8(ascii: "\n"))
        bytes += value
        bytes.append(UInt8(ascii: "\n"))
    }
}
