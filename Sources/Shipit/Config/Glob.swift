/// A pattern over `/`-separated names: `*` and `?` stay within one part, `**` crosses parts.
///
/// The rules are CodePipeline's and CodeBuild's; matching takes time proportional to pattern times name.
public struct Glob: Hashable, Sendable, CustomStringConvertible {
    public let pattern: String
    private let tokens: [Token]

    private enum Token: Hashable {
        case byte(UInt8), one, part, all
        /// `**/`: any number of whole parts, also none.
        case parts
    }

    public init(_ pattern: String) {
        self.pattern = pattern
        var tokens: [Token] = []
        var bytes = ArraySlice(Array(pattern.utf8))
        while let byte = bytes.popFirst() {
            switch byte {
            case UInt8(ascii: "*") where bytes.first == UInt8(ascii: "*"):
                while bytes.first == UInt8(ascii: "*") { bytes.removeFirst() }
                let startsPart = tokens.isEmpty || tokens.last == .byte(UInt8(ascii: "/")) || tokens.last == .parts
                if startsPart, bytes.first == UInt8(ascii: "/") {
                    bytes.removeFirst()
                    tokens.append(.parts)
                } else {
                    tokens.append(.all)
                }
            case UInt8(ascii: "*"): tokens.append(.part)
            case UInt8(ascii: "?"): tokens.append(.one)
            default: tokens.append(.byte(byte))
            }
        }
        self.tokens = tokens
    }

    public var description: String { pattern }

    public func matches(_ name: String) -> Bool { matches(Array(name.utf8)) }

    public func matches(_ name: [UInt8]) -> Bool {
        // One bit per token: the set of tokens that may come next after the bytes read so far.
        var states = [Bool](repeating: false, count: tokens.count + 1)
        states[0] = true
        settle(&states, atPartStart: true)
        for byte in name {
            var next = [Bool](repeating: false, count: tokens.count + 1)
            for (index, token) in tokens.enumerated() where states[index] {
                switch token {
                case .byte(let wanted): if wanted == byte { next[index + 1] = true }
                case .one: if byte != UInt8(ascii: "/") { next[index + 1] = true }
                case .part: if byte != UInt8(ascii: "/") { next[index] = true }
                case .all, .parts: next[index] = true
                }
            }
            settle(&next, atPartStart: byte == UInt8(ascii: "/"))
            states = next
        }
        return states[tokens.count]
    }

    private func settle(_ states: inout [Bool], atPartStart: Bool) {
        for (index, token) in tokens.enumerated() where states[index] {
            switch token {
            case .part, .all: states[index + 1] = true
            case .parts: if atPartStart { states[index + 1] = true }
            case .byte, .one: continue
            }
        }
    }
}
