/// Takes secrets out of text: as they are, and as base64, URL-encoded and hexadecimal text.
struct Masker: Sendable {
    /// Longest first, so that no part of a longer secret is left over.
    private let needles: [[UInt8]]
    private static let stars = Array("***".utf8)
    /// Shorter values hide nothing and would blank out half of a log.
    static let shortest = 4

    init(secrets: [String]) {
        var needles: Set<[UInt8]> = []
        for secret in secrets {
            // A log is read by lines, so a secret of several lines is hidden line by line.
            for line in [secret] + secret.split(whereSeparator: \.isNewline).map(String.init)
            where line.utf8.count >= Self.shortest {
                let bytes = Array(line.utf8)
                needles.insert(bytes)
                needles.insert(Self.base64(bytes))
                needles.insert(Self.hexadecimal(bytes))
                needles.insert(Self.urlEncoded(bytes))
            }
        }
        self.needles = needles.sorted { $0.count > $1.count }
    }

    /// How many bytes at the end of a piece may be the beginning of a secret.
    var overlap: Int { max(0, (needles.first?.count ?? 1) - 1) }

    func masked(_ bytes: [UInt8]) -> [UInt8] {
        guard !needles.isEmpty else { return bytes }
        var result = bytes
        for needle in needles where result.count >= needle.count {
            result = Self.replace(needle, in: result)
        }
        return result
    }

    func masked(_ text: String) -> String {
        needles.isEmpty ? text : String(decoding: masked(Array(text.utf8)), as: UTF8.self)
    }

    private static func replace(_ needle: [UInt8], in bytes: [UInt8]) -> [UInt8] {
        guard let first = needle.first else { return bytes }
        var result: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == first, index + needle.count <= bytes.count,
                bytes[index..<index + needle.count].elementsEqual(needle)
            {
                result += stars
                index += needle.count
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return result
    }

    private static func base64(_ bytes: [UInt8]) -> [UInt8] {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count - bytes.count % 3, by: 3) {
            let group = Int(bytes[start]) << 16 | Int(bytes[start + 1]) << 8 | Int(bytes[start + 2])
            for shift in [18, 12, 6, 0] { text.append(alphabet[group >> shift & 63]) }
        }
        // The last one or two bytes are left out: their digits change with what follows the secret.
        return text.count >= shortest ? text : bytes
    }

    private static func hexadecimal(_ bytes: [UInt8]) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        return bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    }

    private static func urlEncoded(_ bytes: [UInt8]) -> [UInt8] {
        let digits = Array("0123456789ABCDEF".utf8)
        return bytes.flatMap { byte -> [UInt8] in
            let isPlain =
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || "-._~".utf8.contains(byte)
            return isPlain ? [byte] : [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        }
    }
}
