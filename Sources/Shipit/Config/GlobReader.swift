/// Why a pattern is none.
public struct GlobFault: Error, Hashable, Sendable {
    public let message: String
}

/// Reads brackets, braces and backslashes of a pattern; stars and question marks are left to the glob.
struct GlobReader {
    enum Piece: Hashable {
        case byte(UInt8)
        /// After a backslash: never a star.
        case literal(UInt8)
        case set([ClosedRange<UInt8>], isNegated: Bool)
    }

    /// AWS's limit.
    static let sizeLimit = 255
    /// Braces multiply, and each of what comes of it is matched.
    static let alternativesLimit = 64

    private let size: Int
    private var rest: ArraySlice<UInt8>

    init(_ pattern: String) {
        let bytes = Array(pattern.utf8)
        size = bytes.count
        rest = bytes[...]
    }

    /// All patterns without braces that the pattern stands for.
    mutating func alternatives() throws(GlobFault) -> [[Piece]] {
        guard size <= Self.sizeLimit else {
            throw GlobFault(message: "has \(size) bytes, at most \(Self.sizeLimit) are allowed")
        }
        var all: [[Piece]] = [[]]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "{") {
                let choices = try braces()
                guard all.count * choices.count <= Self.alternativesLimit else {
                    throw GlobFault(message: "stands for more than \(Self.alternativesLimit) patterns, by its braces")
                }
                all = all.flatMap { before in choices.map { before + $0 } }
            } else {
                let piece = try piece(byte)
                for index in all.indices { all[index].append(piece) }
            }
        }
        return all
    }

    /// After the `{`.
    private mutating func braces() throws(GlobFault) -> [[Piece]] {
        var choices: [[Piece]] = [[]]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "}"): return choices
            case UInt8(ascii: ","): choices.append([])
            case UInt8(ascii: "{"): throw GlobFault(message: "has braces in braces, which do not nest")
            default: choices[choices.count - 1].append(try piece(byte))
            }
        }
        throw GlobFault(message: #"has a { without its }; \{ stands for itself"#)
    }

    private mutating func piece(_ byte: UInt8) throws(GlobFault) -> Piece {
        switch byte {
        case UInt8(ascii: "\\"):
            guard let next = rest.popFirst() else { throw GlobFault(message: #"ends with a \, expected \\"#) }
            return .literal(next)
        case UInt8(ascii: "["): return try set()
        default: return .byte(byte)
        }
    }

    /// After the `[`.
    private mutating func set() throws(GlobFault) -> Piece {
        let isNegated = rest.first == UInt8(ascii: "!") || rest.first == UInt8(ascii: "^")
        if isNegated { rest.removeFirst() }
        var ranges: [ClosedRange<UInt8>] = []
        while let low = try member(isFirst: ranges.isEmpty) {
            guard rest.first == UInt8(ascii: "-"), rest.dropFirst().first != UInt8(ascii: "]") else {
                ranges.append(low...low)
                continue
            }
            rest.removeFirst()
            guard let high = try member(isFirst: true), low <= high else {
                throw GlobFault(message: "has a range in brackets that goes backwards")
            }
            ranges.append(low...high)
        }
        return .set(ranges, isNegated: isNegated)
    }

    /// Nil at the end of the brackets; a `]` that comes first is one of the set.
    private mutating func member(isFirst: Bool) throws(GlobFault) -> UInt8? {
        guard let byte = rest.popFirst() else {
            throw GlobFault(message: #"has a [ without its ]; \[ stands for itself"#)
        }
        if byte == UInt8(ascii: "]"), !isFirst { return nil }
        let member = byte == UInt8(ascii: "\\") ? rest.popFirst() : byte
        guard let member, member < 0x80 else {
            throw GlobFault(message: "has a letter in brackets that is not ASCII; {ä,ö} takes any")
        }
        return member
    }
}
