import ArtifactKit

/// One printable line: control characters, line breaks and direction marks shown, never sent to a terminal.
public func visibleLine(_ text: some StringProtocol) -> String {
    if text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value < 0x7F }) { return String(text) }
    var line = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
        switch scalar.value {
        case 0x09: line.append("\t")
        case 0..<0x20:
            line.append(contentsOf: "^\(Character(Unicode.Scalar(UInt8(scalar.value) + 0x40)))".unicodeScalars)
        case 0x7F..<0xA0, 0x200E, 0x200F, 0x2028, 0x2029, 0x202A...0x202E, 0x2066...0x2069, 0xFEFF:
            line.append(contentsOf: "\\u{\(String(scalar.value, radix: 16))}".unicodeScalars)
        default: line.append(scalar)
        }
    }
    return String(line)
}
