/// An environment's variables and secrets: `NAME=value` and `secret NAME=value`, one a line, values with JSON's escapes
/// when they stand in quotes.
public struct EnvironmentFile: Hashable, Sendable {
    public struct Entry: Hashable, Sendable {
        public var name: String
        public var value: String
        public var isSecret: Bool
    }

    public private(set) var entries: [Entry] = []

    public init() {}

    public static func isName(_ name: String) -> Bool {
        guard let first = name.utf8.first, name.utf8.count <= 255 else { return false }
        let isLetter = { (byte: UInt8) in
            byte == UInt8(ascii: "_") || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
        }
        let isDigit = { (byte: UInt8) in (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
        return isLetter(first) && name.utf8.allSatisfy { isLetter($0) || isDigit($0) }
    }

    public init(parsing text: String, file: String) throws(Diagnostics) {
        var wrong: [Diagnostic] = []
        // By scalars: a Windows line end is one Character, and would not be found by its half.
        for (index, line) in text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let trimmed = Substring(line).drop(while: { $0 == " " || $0 == "\t" })
            if trimmed.isEmpty || trimmed.hasPrefix("#") || trimmed == "\r" { continue }
            let isSecret = trimmed.hasPrefix("secret ")
            let pair = isSecret ? trimmed.dropFirst("secret ".count) : trimmed
            guard let equals = pair.firstIndex(of: "="), Self.isName(String(pair[..<equals])) else {
                wrong.append(
                    Diagnostic(
                        .error, file: file, line: index + 1, column: 1, "expected NAME=value or secret NAME=value"))
                continue
            }
            guard let value = Self.unquoted(pair[pair.index(after: equals)...]) else {
                wrong.append(
                    Diagnostic(
                        .error, file: file, line: index + 1, column: 1,
                        "the quoted value does not end, or has an unknown escape"))
                continue
            }
            set(String(pair[..<equals]), to: value, isSecret: isSecret)
        }
        if !wrong.isEmpty { throw Diagnostics(wrong) }
    }

    public mutating func set(_ name: String, to value: String, isSecret: Bool) {
        entries.removeAll { $0.name == name }
        entries.append(Entry(name: name, value: value, isSecret: isSecret))
        entries.sort { $0.name < $1.name }
    }

    public mutating func unset(_ name: String) -> Bool {
        let count = entries.count
        entries.removeAll { $0.name == name }
        return entries.count < count
    }

    public var variables: [String: String] { Dictionary(entries.map { ($0.name, $0.value) }) { $1 } }
    public var secrets: [String] { entries.filter(\.isSecret).map(\.value) }

    public var text: String {
        entries.map { "\($0.isSecret ? "secret " : "")\($0.name)=\(Self.quoted($0.value))\n" }.joined()
    }

    private static func quoted(_ value: String) -> String {
        let plain = value.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value < 0x7F && $0 != "\"" && $0 != "\\" }
        if plain { return value }
        var quoted = "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            case "\t": quoted += "\\t"
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }

    private static func unquoted(_ text: Substring) -> String? {
        guard text.hasPrefix("\"") else { return String(text.hasSuffix("\r") ? text.dropLast() : text) }
        var value = String.UnicodeScalarView()
        var rest = text.unicodeScalars.dropFirst()
        while let scalar = rest.popFirst() {
            switch scalar {
            case "\"": return rest.allSatisfy { " \t\r".unicodeScalars.contains($0) } ? String(value) : nil
            case "\\":
                switch rest.popFirst() {
                case "n": value.append("\n")
                case "r": value.append("\r")
                case "t": value.append("\t")
                case "\"": value.append("\"")
                case "\\": value.append("\\")
                default: return nil
                }
            default: value.append(scalar)
            }
        }
        return nil
    }
}
