/// The lines of one `.gitattributes` file that may say something about `export-ignore`, as gitattributes(5) has them.
struct AttributeFile {
    enum State: Hashable {
        case set
        /// `-name`, and `name=value` too, since neither leaves a file out.
        case unset
        /// `!name`: as if no line had named it.
        case unspecified
    }

    struct Line {
        let pattern: AttributePattern
        let states: [(name: [UInt8], state: State)]
    }

    private(set) var lines: [Line] = []
    /// `[attr]name …`, which git heeds in the root's file only.
    private(set) var macros: [[UInt8]: [(name: [UInt8], state: State)]] = [:]

    static let exportIgnore = Array("export-ignore".utf8)

    init(_ bytes: [UInt8], allowsMacros: Bool) {
        // git reads the file as a C string, and from a tree it does not skip a byte order mark.
        for line in bytes.prefix(while: { $0 != 0 }).split(separator: UInt8(ascii: "\n")) {
            parse(Array(line), allowsMacros: allowsMacros)
        }
    }

    private mutating func parse(_ line: [UInt8], allowsMacros: Bool) {
        let start = line.drop(while: Self.isBlank)
        guard let first = start.first, first != UInt8(ascii: "#"), line.count < 2048 else { return }
        var name: [UInt8]
        var rest: ArraySlice<UInt8>
        if first == UInt8(ascii: "\""), let quoted = Self.unquote(start) {
            (name, rest) = quoted
        } else {
            name = Array(start.prefix { !Self.isBlank($0) })
            rest = start.dropFirst(name.count)
        }
        let macroMark = "[attr]".utf8
        if name.count > macroMark.count, name.starts(with: macroMark) {
            guard allowsMacros, let states = Self.states(in: rest) else { return }
            macros[Array(name.dropFirst(macroMark.count))] = states
        } else if let states = Self.states(in: rest), let pattern = AttributePattern(name) {
            lines.append(Line(pattern: pattern, states: states))
        }
    }

    /// Nil when one name is not a name: git then ignores the line.
    private static func states(in text: ArraySlice<UInt8>) -> [(name: [UInt8], state: State)]? {
        var states: [(name: [UInt8], state: State)] = []
        for word in text.split(whereSeparator: isBlank) {
            var name = word.prefix { $0 != UInt8(ascii: "=") }
            var state: State = name.count == word.count ? .set : .unset
            if name.first == UInt8(ascii: "-") || name.first == UInt8(ascii: "!") {
                state = name.removeFirst() == UInt8(ascii: "-") ? .unset : .unspecified
            }
            guard isName(name) else { return nil }
            states.append((Array(name), state))
        }
        return states
    }

    private static func isName(_ name: ArraySlice<UInt8>) -> Bool {
        guard let first = name.first, first != UInt8(ascii: "-") else { return false }
        return name.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"): true
            default: "-._".utf8.contains($0)
            }
        }
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0d || byte == 0x0a }

    /// A pattern in C's quotes, and what follows it; nil when the quoting is broken.
    private static func unquote(_ text: ArraySlice<UInt8>) -> (name: [UInt8], rest: ArraySlice<UInt8>)? {
        let letters: [UInt8: UInt8] = [
            0x61: 7, 0x62: 8, 0x66: 12, 0x6e: 10, 0x72: 13, 0x74: 9, 0x76: 11, 0x5c: 0x5c, 0x22: 0x22,
        ]
        var rest = text.dropFirst()
        var name: [UInt8] = []
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\""): return (name, rest)
            case UInt8(ascii: "\\"):
                guard let escape = rest.popFirst() else { return nil }
                if let letter = letters[escape] {
                    name.append(letter)
                } else {
                    let digits = [escape] + rest.prefix(2)
                    guard digits.count == 3, digits.allSatisfy({ (0x30...0x37).contains($0) }), escape <= 0x33 else {
                        return nil
                    }
                    rest = rest.dropFirst(2)
                    name.append(digits.reduce(0) { $0 << 3 | ($1 - 0x30) })
                }
            default: name.append(byte)
            }
        }
        return nil
    }
}
