/// Reads XML in pieces, as far as reports need it: elements and their attributes, and nothing of text.
///
/// Strict where it is about structure, and bounded: no entities besides the five and numbers, no document type with
/// rules of its own, nothing is fetched. Only UTF-8.
struct XMLReader {
    enum Event: Hashable {
        /// Names come without their prefix.
        case start(String, [String: String])
        case end(String)
    }

    struct Fault: Error, CustomStringConvertible {
        let line: Int
        let reason: String
        var description: String { "line \(line): \(reason)" }
    }

    static let deepest = 200
    private static let mostAttributes = 200
    private static let longestName = 500

    private let bytes: [UInt8]
    private var position = 0
    /// Whole names of the elements that are open.
    private var open: [[UInt8]] = []
    private var pendingEnd: String?
    private var hasRoot = false

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    }

    /// The next start or end; nil at the end of the document.
    mutating func next() throws(Fault) -> Event? {
        if let name = pendingEnd {
            pendingEnd = nil
            open.removeLast()
            return .end(name)
        }
        while let start = bytes[position...].firstIndex(of: UInt8(ascii: "<")) {
            if open.isEmpty, bytes[position..<start].contains(where: { !Self.isSpace($0) }) {
                throw fault("there is text outside of the document")
            }
            position = start + 1
            switch peek {
            case UInt8(ascii: "?"): try skip(past: "?>")
            case UInt8(ascii: "!"): try skipDeclaration()
            case UInt8(ascii: "/"): return try end()
            default: return try begin()
            }
        }
        guard open.isEmpty else { throw fault("\(Self.text(open.last ?? [])) is not ended") }
        guard hasRoot else { throw fault("there is no element") }
        if bytes[position...].contains(where: { !Self.isSpace($0) }) { throw fault("there is text after the document") }
        return nil
    }

    // MARK: Parts

    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func begin() throws(Fault) -> Event {
        if open.isEmpty, hasRoot { throw fault("there is a second document") }
        let name = try readName()
        var attributes: [String: String] = [:]
        while true {
            let hadSpace = skipSpace()
            switch peek {
            case UInt8(ascii: ">"):
                position += 1
                return try opened(name, attributes)
            case UInt8(ascii: "/"):
                position += 1
                guard peek == UInt8(ascii: ">") else { throw fault("expected > after /") }
                position += 1
                let event = try opened(name, attributes)
                pendingEnd = Self.local(name)
                return event
            case nil: throw fault("the file ends within an element")
            default:
                guard hadSpace else { throw fault("expected a space before an attribute") }
                let (key, value) = try attribute()
                guard attributes.count < Self.mostAttributes else { throw fault("an element has too many attributes") }
                guard attributes.updateValue(value, forKey: key) == nil else { throw fault("\(key) stands twice") }
            }
        }
    }

    private mutating func opened(_ name: [UInt8], _ attributes: [String: String]) throws(Fault) -> Event {
        guard open.count < Self.deepest else { throw fault("elements are nested more than \(Self.deepest) deep") }
        open.append(name)
        hasRoot = true
        return .start(Self.local(name), attributes)
    }

    private mutating func end() throws(Fault) -> Event {
        position += 1
        let name = try readName()
        _ = skipSpace()
        guard peek == UInt8(ascii: ">") else { throw fault("expected > at the end of \(Self.text(name))") }
        position += 1
        guard open.last == name else {
            throw fault("\(Self.text(name)) is ended, and \(open.last.map(Self.text) ?? "nothing") is open")
        }
        open.removeLast()
        return .end(Self.local(name))
    }

    private mutating func attribute() throws(Fault) -> (String, String) {
        let name = try readName()
        _ = skipSpace()
        guard peek == UInt8(ascii: "=") else { throw fault("expected = after \(Self.text(name))") }
        position += 1
        _ = skipSpace()
        guard let quote = peek, quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else {
            throw fault("expected quotes around the value of \(Self.text(name))")
        }
        position += 1
        guard let end = bytes[position...].firstIndex(of: quote) else { throw fault("a value is not ended") }
        let raw = bytes[position..<end]
        position = end + 1
        if raw.contains(UInt8(ascii: "<")) { throw fault("a value has a < in it") }
        return (Self.text(name), try decoded(raw))
    }

    private mutating func readName() throws(Fault) -> [UInt8] {
        let name = bytes[position...].prefix { Self.isNameByte($0) }
        guard let first = name.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first),
            first != UInt8(ascii: "-"), first != UInt8(ascii: ".")
        else { throw fault("expected a name") }
        guard name.count <= Self.longestName else { throw fault("a name is longer than \(Self.longestName) bytes") }
        position += name.count
        return Array(name)
    }

    private mutating func skipDeclaration() throws(Fault) {
        let rest = bytes[position...]
        if rest.starts(with: Array("!--".utf8)) {
            position += 3
            return try skip(past: "-->")
        }
        if rest.starts(with: Array("![CDATA[".utf8)) {
            guard !open.isEmpty else { throw fault("there is text outside of the document") }
            return try skip(past: "]]>")
        }
        guard rest.starts(with: Array("!DOCTYPE".utf8)), !hasRoot else { throw fault("a declaration is not expected") }
        guard let end = rest.firstIndex(of: UInt8(ascii: ">")) else { throw fault("the document type is not ended") }
        if rest[..<end].contains(UInt8(ascii: "[")) {
            throw fault("a document type with rules of its own is not read")
        }
        position = end + 1
    }

    private mutating func skip(past mark: String) throws(Fault) {
        let mark = Array(mark.utf8)
        guard let first = mark.first else { return }
        var from = position
        while let found = bytes[from...].firstIndex(of: first) {
            if bytes[found...].starts(with: mark) {
                position = found + mark.count
                return
            }
            from = found + 1
        }
        throw fault("\(Self.text(mark)) is missing")
    }

    private mutating func skipSpace() -> Bool {
        let count = bytes[position...].prefix { Self.isSpace($0) }.count
        position += count
        return count > 0
    }

    private func decoded(_ raw: ArraySlice<UInt8>) throws(Fault) -> String {
        guard raw.contains(UInt8(ascii: "&")) else { return Self.text(Array(raw)) }
        var text = ""
        var rest = raw
        while let sign = rest.firstIndex(of: UInt8(ascii: "&")) {
            text += Self.text(Array(rest[..<sign]))
            guard let end = rest[sign...].prefix(12).firstIndex(of: UInt8(ascii: ";")) else {
                throw fault("& is not followed by the name of a character")
            }
            text.unicodeScalars.append(try character(Self.text(Array(rest[(sign + 1)..<end]))))
            rest = rest[(end + 1)...]
        }
        return text + Self.text(Array(rest))
    }

    private func character(_ name: String) throws(Fault) -> Unicode.Scalar {
        switch name {
        case "lt": return "<"
        case "gt": return ">"
        case "amp": return "&"
        case "quot": return "\""
        case "apos": return "'"
        default:
            let digits = name.hasPrefix("#x") ? UInt32(name.dropFirst(2), radix: 16) : UInt32(name.dropFirst(1))
            guard name.hasPrefix("#"), let digits, let scalar = Unicode.Scalar(digits) else {
                throw fault("&\(name); is not known")
            }
            return scalar
        }
    }

    // MARK: Bytes

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        byte >= 0x80 || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
            || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || "_-.:".utf8.contains(byte)
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    private static func local(_ name: [UInt8]) -> String {
        text(name.lastIndex(of: UInt8(ascii: ":")).map { Array(name[($0 + 1)...]) } ?? name)
    }

    private func fault(_ reason: String) -> Fault {
        Fault(line: 1 + bytes[..<min(position, bytes.count)].count { $0 == 0x0A }, reason: reason)
    }
}
