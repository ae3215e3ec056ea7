internal import CLibgit2

/// The name of an object: 40 hex digits, or 64 where a hook speaks for a sha256 repository.
public struct ObjectID: Hashable, Sendable {
    /// The id's bytes from the left, as big-endian words; a 40-digit id ends in the upper half of the third.
    ///
    /// Not a SIMD4, which wants to lie at a multiple of 32 bytes: Swift 6.3 allocates too little for the frame of an
    /// async function that holds one, and writes beyond it.
    private struct Words: Hashable, Sendable {
        var first: UInt64 = 0
        var second: UInt64 = 0
        var third: UInt64 = 0
        var fourth: UInt64 = 0

        subscript(index: Int) -> UInt64 {
            get { withUnsafeBytes(of: self) { $0.load(fromByteOffset: index * 8, as: UInt64.self) } }
            set {
                withUnsafeMutableBytes(of: &self) {
                    $0.storeBytes(of: newValue, toByteOffset: index * 8, as: UInt64.self)
                }
            }
        }
    }

    private let words: Words
    private let byteCount: Int

    public init?(_ hex: some StringProtocol) {
        var digits = hex.utf8.makeIterator()
        var words = Words()
        var count = 0
        while let digit = digits.next() {
            guard count < 64, let value = Self.value(ofHexDigit: digit) else { return nil }
            words[count / 16] |= UInt64(value) << UInt64(60 - count % 16 * 4)
            count += 1
        }
        guard count == 40 || count == 64 else { return nil }
        self.words = words
        byteCount = count / 2
    }

    /// Takes the 20 bytes as they stand in trees and in libgit2's own structure.
    init(rawBytes: UnsafeRawBufferPointer) {
        var words = Words()
        for (index, byte) in rawBytes.prefix(20).enumerated() {
            words[index / 8] |= UInt64(byte) << UInt64(56 - index % 8 * 8)
        }
        self.words = words
        byteCount = 20
    }

    /// What a blob of these bytes is called, whether it exists or not.
    public init?(ofBlob bytes: [UInt8]) {
        var oid = git_oid()
        let result = bytes.withUnsafeBytes { git_odb_hash(&oid, $0.baseAddress, $0.count, GIT_OBJECT_BLOB) }
        guard result == 0 else { return nil }
        self.init(oid)
    }

    init(_ oid: git_oid) {
        self = withUnsafeBytes(of: oid) { ObjectID(rawBytes: $0) }
    }

    /// libgit2's form of the id, or nil for a sha256 id, which no repository that we open can hold.
    var oid: git_oid? {
        guard byteCount == 20 else { return nil }
        var oid = git_oid()
        withUnsafeMutableBytes(of: &oid) { raw in
            for index in 0..<20 { raw[index] = byte(index) }
        }
        return oid
    }

    public var hex: String {
        String(unsafeUninitializedCapacity: byteCount * 2) { buffer in
            let digits: StaticString = "0123456789abcdef"
            for index in 0..<byteCount {
                buffer[index * 2] = digits.utf8Start[Int(byte(index) >> 4)]
                buffer[index * 2 + 1] = digits.utf8Start[Int(byte(index) & 15)]
            }
            return byteCount * 2
        }
    }

    /// True for the id that stands for "nothing" in a hook's lines, whatever its length.
    public var isZero: Bool { words == Words() }

    public func abbreviated(_ digits: Int = 7) -> String { String(hex.prefix(max(digits, 0))) }

    private func byte(_ index: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: words[index / 8] >> UInt64(56 - index % 8 * 8))
    }

    static func value(ofHexDigit digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

extension ObjectID: CustomStringConvertible {
    public var description: String { hex }
}

extension ObjectID: Comparable {
    public static func < (left: ObjectID, right: ObjectID) -> Bool {
        for index in 0..<4 where left.words[index] != right.words[index] {
            return left.words[index] < right.words[index]
        }
        return left.byteCount < right.byteCount
    }
}

extension ObjectID: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let id = ObjectID(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "an object id has 40 or 64 hex digits")
        }
        self = id
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(hex)
    }
}
