/// Walks the records of a spool file and trusts nothing in it.
struct RecordReader {
    private let bytes: [UInt8]
    private var position: Int
    private static let longestKey = 32
    private static let mostDigits = 8

    init(_ bytes: [UInt8]) throws(SpoolError) {
        guard bytes.count <= Push.maximumEncodedSize else { throw .tooLarge(size: bytes.count) }
        guard bytes.starts(with: Push.firstLine) else {
            throw Push.firstLine.starts(with: bytes) ? .truncated(at: bytes.count) : .unknownFormat
        }
        self.bytes = bytes
        position = Push.firstLine.count
    }

    /// The next record, or nil after the last one, behind which nothing may stand.
    mutating func next() throws(SpoolError) -> SpoolRecord? {
        let start = position
        let key = try word(endingWith: UInt8(ascii: " "), atMost: Self.longestKey) { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || byte == UInt8(ascii: "-")
        }
        let digits = try word(endingWith: UInt8(ascii: "\n"), atMost: Self.mostDigits) { byte in
            byte.isDecimalDigit
        }
        guard let length = Int(digits), String(length) == digits else { throw .malformed(what: "length", at: start) }
        guard length < bytes.count - position else { throw .truncated(at: bytes.count) }
        let value = bytes[position..<position + length]
        position += length
        guard bytes[position] == UInt8(ascii: "\n") else { throw .malformed(what: "end of record", at: position) }
        position += 1
        guard key == "end" else { return SpoolRecord(key: key, value: value, position: start) }
        guard length == 0, position == bytes.count else { throw .malformed(what: "end of file", at: start) }
        return nil
    }

    private mutating func word(
        endingWith end: UInt8, atMost limit: Int, allowing allowed: (UInt8) -> Bool
    ) throws(SpoolError) -> String {
        let start = position
        while position < bytes.count, bytes[position] != end {
            guard position - start < limit, allowed(bytes[position]) else {
                throw .malformed(what: "record header", at: position)
            }
            position += 1
        }
        guard position < bytes.count else { throw .truncated(at: bytes.count) }
        guard position > start else { throw .malformed(what: "record header", at: position) }
        defer { position += 1 }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }
}
