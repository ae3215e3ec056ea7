/// The line that stands for an entry in JSON: `f 644 12 DIGEST path`, `d 755 path` or `l path -> target`.
///
/// In names, `%NN` stands for a byte that cannot be seen, is not UTF-8, or is `%` or `>`; so any bytes survive, no
/// two lines mean the same, and ` -> ` in the middle of a link is never part of a name.
extension ManifestEntry {
    var text: String {
        switch kind {
        case .file: "f \(String(mode, radix: 8)) \(size) \(digest?.description ?? "-") \(Self.escape(path))"
        case .directory: "d \(String(mode, radix: 8)) \(Self.escape(path))"
        case .link: "l \(Self.escape(path)) -> \(Self.escape(link))"
        }
    }

    /// nil if the line does not have one of the three forms; paths and modes are judged by the manifest.
    init?(text: String) {
        var text = text
        guard let entry = text.withUTF8({ Self.parse(UnsafeRawBufferPointer($0)) }) else { return nil }
        self = entry
    }

    private static let escapedToo: Set<UInt8> = [UInt8(ascii: "%"), UInt8(ascii: ">")]

    static func escape(_ name: [UInt8]) -> String {
        escaped(name, also: escapedToo) { byte, text in
            text.append("%")
            text.append(hexadecimalDigits[Int(byte >> 4)])
            text.append(hexadecimalDigits[Int(byte & 15)])
        }
    }

    static func parse(_ line: UnsafeRawBufferPointer) -> ManifestEntry? {
        var rest = line[...]
        guard let form = word(&rest), form.count == 1 else { return nil }
        switch form[form.startIndex] {
        case UInt8(ascii: "f"):
            guard let mode = word(&rest).flatMap({ number($0, base: 8) }),
                let size = word(&rest).flatMap({ number($0) }),
                let digest = word(&rest).flatMap({ Digest(hexDigits: UnsafeRawBufferPointer(rebasing: $0)) }),
                let path = unescape(rest), let mode = UInt16(exactly: mode)
            else { return nil }
            return ManifestEntry(path: path, kind: .file, mode: mode, size: size, digest: digest, link: [])
        case UInt8(ascii: "d"):
            guard let mode = word(&rest).flatMap({ number($0, base: 8) }), let mode = UInt16(exactly: mode),
                let path = unescape(rest)
            else { return nil }
            return ManifestEntry(path: path, kind: .directory, mode: mode, size: 0, digest: nil, link: [])
        case UInt8(ascii: "l"):
            guard let bracket = rest.firstIndex(of: UInt8(ascii: ">")), bracket - rest.startIndex >= 2,
                bracket + 1 < rest.endIndex, rest[(bracket - 2)...(bracket + 1)].elementsEqual(" -> ".utf8),
                let path = unescape(rest[..<(bracket - 2)]), let target = unescape(rest[(bracket + 2)...])
            else { return nil }
            return .link(path, target: target)
        default:
            return nil
        }
    }

    /// Only what it is and the name as it is written, which is much faster than all of it.
    static func scan(_ line: UnsafeRawBufferPointer) -> (kind: EntryKind, name: Bytes)? {
        var rest = line[...]
        guard let form = word(&rest), form.count == 1 else { return nil }
        switch form[form.startIndex] {
        case UInt8(ascii: "f"):
            guard word(&rest) != nil, word(&rest) != nil, word(&rest) != nil else { return nil }
            return (.file, rest)
        case UInt8(ascii: "d"):
            guard word(&rest) != nil else { return nil }
            return (.directory, rest)
        case UInt8(ascii: "l"):
            guard let bracket = rest.firstIndex(of: UInt8(ascii: ">")), bracket - rest.startIndex >= 2 else {
                return nil
            }
            return (.link, rest[..<(bracket - 2)])
        default: return nil
        }
    }

    typealias Bytes = Slice<UnsafeRawBufferPointer>

    static func word(_ rest: inout Bytes) -> Bytes? {
        guard let space = rest.firstIndex(of: UInt8(ascii: " ")) else { return nil }
        defer { rest = rest[(space + 1)...] }
        return rest[..<space]
    }

    /// Without sign, spaces or leading zeros, so that a number has one form.
    static func number(_ digits: Bytes, base: Int64 = 10) -> Int64? {
        guard let first = digits.first, first != UInt8(ascii: "0") || digits.count == 1 else { return nil }
        var number: Int64 = 0
        for digit in digits {
            guard digit >= UInt8(ascii: "0"), digit < UInt8(ascii: "0") + UInt8(base) else { return nil }
            let (product, tooLarge) = number.multipliedReportingOverflow(by: base)
            let (sum, muchTooLarge) = product.addingReportingOverflow(Int64(digit - UInt8(ascii: "0")))
            guard !tooLarge, !muchTooLarge else { return nil }
            number = sum
        }
        return number
    }

    static func unescape(_ name: Bytes) -> [UInt8]? {
        guard name.contains(where: { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: ">") || $0 < 0x20 || $0 >= 0x7f })
        else { return Array(name) }
        var bytes: [UInt8] = []
        var index = name.startIndex
        while index < name.endIndex {
            if name[index] == UInt8(ascii: "%") {
                guard index + 2 < name.endIndex, let high = hexadecimalValue(name[index + 1]),
                    let low = hexadecimalValue(name[index + 2])
                else { return nil }
                bytes.append(high << 4 | low)
                index += 3
            } else {
                bytes.append(name[index])
                index += 1
            }
        }
        return escape(bytes).utf8.elementsEqual(name) ? bytes : nil
    }

    private static func hexadecimalValue(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

extension ManifestEntry {
    /// Every field, each of known length or with its length before it, so that no two entries look alike.
    func appendCanonicalForm(to bytes: inout [UInt8]) {
        func append(_ number: UInt64) {
            withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
        }
        bytes.append(kind.letter)
        append(UInt64(mode))
        append(UInt64(bitPattern: size))
        append(UInt64(path.count))
        bytes.append(contentsOf: path)
        append(UInt64(link.count))
        bytes.append(contentsOf: link)
        digest?.withBytes { bytes.append(contentsOf: $0) }
    }
}

extension EntryKind {
    fileprivate var letter: UInt8 {
        switch self {
        case .file: UInt8(ascii: "f")
        case .directory: UInt8(ascii: "d")
        case .link: UInt8(ascii: "l")
        }
    }
}
