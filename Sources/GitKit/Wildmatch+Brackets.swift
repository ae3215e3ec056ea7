extension Wildmatch {
    /// Whether a bracket matches the byte, and where its `]` is; nil for a broken bracket, which matches nothing.
    func matchClass(at start: Int, _ byte: UInt8) -> (matched: Bool, end: Int)? {
        var index = start + 1
        let negated = p(index) == UInt8(ascii: "!") || p(index) == UInt8(ascii: "^")
        if negated { index += 1 }
        var previous: UInt8 = 0
        var matched = false
        repeat {
            var current = p(index)
            guard current != 0 else { return nil }
            if current == UInt8(ascii: "\\") {
                index += 1
                current = p(index)
                guard current != 0 else { return nil }
                if byte == current { matched = true }
            } else if current == UInt8(ascii: "-"), previous != 0, p(index + 1) != 0,
                p(index + 1) != UInt8(ascii: "]")
            {
                index += 1
                if p(index) == UInt8(ascii: "\\") { index += 1 }
                guard p(index) != 0 else { return nil }
                if byte >= previous && byte <= p(index) { matched = true }
                current = 0
            } else if current == UInt8(ascii: "["), p(index + 1) == UInt8(ascii: ":") {
                guard let end = pattern[(index + 2)...].firstIndex(of: UInt8(ascii: "]")) else { return nil }
                if end - 1 < index + 2 || p(end - 1) != UInt8(ascii: ":") {
                    if byte == current { matched = true }
                } else {
                    let name = String(decoding: pattern[(index + 2)..<(end - 1)], as: UTF8.self)
                    guard let isMember = Self.named(name, byte) else { return nil }
                    if isMember { matched = true }
                    index = end
                    current = 0
                }
            } else if byte == current {
                matched = true
            }
            previous = current
            index += 1
        } while p(index) != UInt8(ascii: "]")
        return (matched != negated, index)
    }

    private static func named(_ name: String, _ byte: UInt8) -> Bool? {
        let isDigit = (0x30...0x39).contains(byte)
        let isLower = (0x61...0x7a).contains(byte)
        let isUpper = (0x41...0x5a).contains(byte)
        let isGraph = (0x21...0x7e).contains(byte)
        switch name {
        case "alnum": return isDigit || isLower || isUpper
        case "alpha": return isLower || isUpper
        case "blank": return byte == 0x20 || byte == 0x09
        case "cntrl": return byte < 0x20 || byte == 0x7f
        case "digit": return isDigit
        case "graph": return isGraph
        case "lower": return isLower
        case "print": return isGraph || byte == 0x20
        case "punct": return isGraph && !isDigit && !isLower && !isUpper
        case "space": return byte == 0x20 || (0x09...0x0d).contains(byte)
        case "upper": return isUpper
        case "xdigit": return ObjectID.value(ofHexDigit: byte) != nil
        default: return nil
        }
    }
}
