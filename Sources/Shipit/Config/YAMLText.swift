/// The bytes of a YAML file as text, when they are fit to be read as such.
enum YAMLText {
    static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

    static func decode(_ bytes: [UInt8]) throws(YAMLComposer.Fault) -> String {
        if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
            throw YAMLComposer.Fault(message: "the file is UTF-16 text, expected UTF-8; save it in that encoding")
        }
        let content = bytes.starts(with: byteOrderMark) ? bytes[byteOrderMark.count...] : bytes[...]
        guard let text = String(validating: content, as: UTF8.self) else {
            throw YAMLComposer.Fault(message: "the file is not UTF-8 text", mark: firstFault(in: content))
        }
        if let (code, mark) = firstControlCharacter(in: text) {
            throw YAMLComposer.Fault(message: "a control character (code \(code)) is not allowed", mark: mark)
        }
        return text
    }

    /// Where the text ends that there is before what is none.
    private static func firstFault(in bytes: ArraySlice<UInt8>) -> Node.Mark {
        var decoder = UTF8(), iterator = bytes.makeIterator(), line = 1, column = 1
        while case .scalarValue(let scalar) = decoder.decode(&iterator) {
            (line, column) = scalar == "\n" ? (line + 1, 1) : (line, column + 1)
        }
        return Node.Mark(line: line, column: column)
    }

    /// What YAML does not allow, and what shows a line otherwise than it is read.
    private static func firstControlCharacter(in text: String) -> (code: UInt32, mark: Node.Mark)? {
        var line = 1, column = 0
        for scalar in text.unicodeScalars {
            column += 1
            switch scalar.value {
            case 0x0A: (line, column) = (line + 1, 0)
            case 0x09, 0x0D, 0x85: continue
            case 0..<0x20, 0x7F..<0xA0, 0x202A...0x202E, 0x2066...0x2069, 0xFEFF, 0xFFFE, 0xFFFF:
                return (scalar.value, Node.Mark(line: line, column: column))
            default: continue
            }
        }
        return nil
    }
}
