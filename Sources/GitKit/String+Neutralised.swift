extension String {
    /// Text from strangers made safe to show: invalid UTF-8 repaired, control and direction marks written as `\xNN` or `\u{N}`.
    init(neutralising bytes: some Collection<UInt8>, keeping kept: Set<Unicode.Scalar> = []) {
        let repaired = String(decoding: bytes, as: UTF8.self)
        guard repaired.unicodeScalars.contains(where: { !$0.isHarmless && !kept.contains($0) }) else {
            self = repaired
            return
        }
        self = ""
        for scalar in repaired.unicodeScalars {
            if scalar.isHarmless || kept.contains(scalar) {
                unicodeScalars.append(scalar)
            } else if scalar.value < 0x80 {
                self += Self.escape(UInt8(scalar.value))
            } else {
                self += "\\u{\(String(scalar.value, radix: 16))}"
            }
        }
    }

    /// Bytes as text which `bytes(unescaping:)` turns back into the same bytes.
    init(escaping bytes: [UInt8]) {
        self = ""
        var parser = Unicode.UTF8.ForwardParser()
        var rest = bytes.makeIterator()
        var position = 0
        while true {
            let length: Int
            switch parser.parseScalar(from: &rest) {
            case .emptyInput: return
            case .error(let count): length = count
            case .valid(let encoded):
                length = encoded.count
                let scalar = Unicode.UTF8.decode(encoded)
                if scalar.isHarmless && scalar != "\\" {
                    unicodeScalars.append(scalar)
                    position += length
                    continue
                }
            }
            for byte in bytes[position..<position + length] { self += Self.escape(byte) }
            position += length
        }
    }

    /// The bytes that `init(escaping:)` was given; a backslash that starts no `\xNN` stands for itself.
    static func bytes(unescaping text: String) -> [UInt8] {
        let source = Array(text.utf8)
        var bytes: [UInt8] = []
        var index = 0
        while index < source.count {
            if source[index] == UInt8(ascii: "\\"), index + 3 < source.count, source[index + 1] == UInt8(ascii: "x"),
                let high = ObjectID.value(ofHexDigit: source[index + 2]),
                let low = ObjectID.value(ofHexDigit: source[index + 3])
            {
                bytes.append(high << 4 | low)
                index += 4
            } else {
                bytes.append(source[index])
                index += 1
            }
        }
        return bytes
    }

    private static func escape(_ byte: UInt8) -> String {
        "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
}

extension Unicode.Scalar {
    /// False for what can move a cursor, forge a line or turn the direction of text.
    fileprivate var isHarmless: Bool {
        switch value {
        case 0..<0x20, 0x7f..<0xa0: false
        case 0x061c, 0x200e, 0x200f, 0x2028...0x202e, 0x2066...0x2069: false
        default: true
        }
    }
}
