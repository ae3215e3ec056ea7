/// A name for people: control and invisible characters and what is not UTF-8 become \xNN, one for each byte.
///
/// Showing what was shown already changes nothing.
public func visible(_ bytes: [UInt8]) -> String {
    escaped(bytes) { byte, text in
        text += "\\x"
        text.append(hexadecimalDigits[Int(byte >> 4)])
        text.append(hexadecimalDigits[Int(byte & 15)])
    }
}

let hexadecimalDigits: [Character] = Array("0123456789ABCDEF")

/// The text of `bytes`, with each byte that should not be seen, or is in `also`, written by `escape`.
func escaped(_ bytes: [UInt8], also: Set<UInt8> = [], _ escape: (UInt8, inout String) -> Void) -> String {
    if bytes.allSatisfy({ $0 >= 0x20 && $0 < 0x7f && !also.contains($0) }) {
        return String(decoding: bytes, as: UTF8.self)
    }
    var text = ""
    var parser = Unicode.UTF8.ForwardParser()
    var iterator = bytes.makeIterator()
    var offset = 0
    while true {
        switch parser.parseScalar(from: &iterator) {
        case .valid(let encoded):
            let scalar = Unicode.UTF8.decode(encoded)
            let end = offset + encoded.count
            if scalar.isShown, !also.contains(bytes[offset]) {
                text.unicodeScalars.append(scalar)
            } else {
                bytes[offset..<end].forEach { escape($0, &text) }
            }
            offset = end
        case .error(let length):
            bytes[offset..<offset + length].forEach { escape($0, &text) }
            offset += length
        case .emptyInput:
            return text
        }
    }
}

extension Unicode.Scalar {
    /// Whether it can stand in a line of text without moving the cursor, reversing the line, or hiding.
    fileprivate var isShown: Bool {
        if isASCII { return value >= 0x20 && value < 0x7f }
        return switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: false
        default: true
        }
    }
}
