/// A pattern over `/`-separated names: `*` and `?` stay within one part, `**` crosses parts.
///
/// The rules are CodePipeline's and CodeBuild's; matching takes time proportional to pattern times name.
public struct Glob: Hashable, Sendable, CustomStringConvertible {
    public let pattern: String
    /// More than one where the pattern has braces.
    private let alternatives: [[Token]]

    enum Token: Hashable {
        case byte(UInt8), one, part, all
        /// `**/`: any number of whole parts, also none.
        case parts
        /// One byte of these, or with `!` one that is none of them; never a slash.
        case set([ClosedRange<UInt8>], isNegated: Bool)
    }

    /// As in a buildspec, where brackets, braces and backslashes stand for themselves.
    public init(_ pattern: String) {
        self.pattern = pattern
        alternatives = [Self.tokens(pattern.utf8.map { .byte($0) })]
    }

    /// As in CodePipeline's filters: besides stars also `[a-z]`, `[!a]`, `{a,b}` and `\` before what stands for itself.
    public init(filter pattern: String) throws(GlobFault) {
        var reader = GlobReader(pattern)
        let pieces = try reader.alternatives()
        self.pattern = pattern
        alternatives = pieces.map { Self.tokens($0) }
    }

    /// The only name that it matches; nil when there may be several.
    public var onlyName: [UInt8]? {
        guard alternatives.count == 1 else { return nil }
        var name: [UInt8] = []
        for token in alternatives[0] {
            guard case .byte(let byte) = token else { return nil }
            name.append(byte)
        }
        return name
    }

    /// Finds the stars and question marks among what is not taken literally.
    private static func tokens(_ pieces: [GlobReader.Piece]) -> [Token] {
        var tokens: [Token] = []
        var rest = pieces[...]
        let star = GlobReader.Piece.byte(UInt8(ascii: "*")), slash = GlobReader.Piece.byte(UInt8(ascii: "/"))
        while let piece = rest.popFirst() {
            switch piece {
            case star where rest.first == star:
                while rest.first == star { rest.removeFirst() }
                let startsPart = tokens.isEmpty || tokens.last == .byte(UInt8(ascii: "/")) || tokens.last == .parts
                if startsPart, rest.first == slash {
                    rest.removeFirst()
                    tokens.append(.parts)
                } else {
                    tokens.append(.all)
                }
            case star: tokens.append(.part)
            case .byte(UInt8(ascii: "?")): tokens.append(.one)
            case .byte(let byte), .literal(let byte): tokens.append(.byte(byte))
            case .set(let ranges, let isNegated): tokens.append(.set(ranges, isNegated: isNegated))
            }
        }
        return tokens
    }

    public var description: String { pattern }

    public func matches(_ name: String) -> Bool { matches(Array(name.utf8)) }

    public func matches(_ name: [UInt8]) -> Bool { alternatives.contains { Self.matches(name, $0) } }

    private static func matches(_ name: [UInt8], _ tokens: [Token]) -> Bool {
        // One bit per token: the set of tokens that may come next after the bytes read so far.
        var states = [Bool](repeating: false, count: tokens.count + 1)
        states[0] = true
        settle(&states, tokens, atPartStart: true)
        for byte in name {
            var next = [Bool](repeating: false, count: tokens.count + 1)
            for (index, token) in tokens.enumerated() where states[index] {
                switch token {
                case .byte(let wanted): if wanted == byte { next[index + 1] = true }
                case .one: if byte != UInt8(ascii: "/") { next[index + 1] = true }
                case .set(let ranges, let isNegated):
                    if byte != UInt8(ascii: "/"), ranges.contains(where: { $0.contains(byte) }) != isNegated {
                        next[index + 1] = true
                    }
                case .part: if byte != UInt8(ascii: "/") { next[index] = true }
                case .all, .parts: next[index] = true
                }
            }
            settle(&next, tokens, atPartStart: byte == UInt8(ascii: "/"))
            states = next
        }
        return states[tokens.count]
    }

    private static func settle(_ states: inout [Bool], _ tokens: [Token], atPartStart: Bool) {
        for (index, token) in tokens.enumerated() where states[index] {
            switch token {
            case .part, .all: states[index + 1] = true
            case .parts: if atPartStart { states[index + 1] = true }
            case .byte, .one, .set: continue
            }
        }
    }
}
