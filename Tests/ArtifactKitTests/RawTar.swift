@testable import ArtifactKit

/// Headers as an attacker would write them, byte by byte.
struct RawTar {
    private(set) var content: [UInt8] = []

    mutating func add(
        _ name: String, type: Character = "0", mode: Int = 0o644, link: String = "", _ body: String = "",
        device: Int = 0
    ) {
        add(name: bytes(name), type: type, mode: mode, link: bytes(link), body: bytes(body), device: device)
    }

    mutating func add(name: [UInt8], type: Character, mode: Int, link: [UInt8], body: [UInt8], device: Int = 0) {
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ value: [UInt8], at offset: Int) {
            header.replaceSubrange(offset..<offset + value.count, with: value)
        }
        func octal(_ number: Int, _ width: Int) -> [UInt8] {
            let digits = String(number, radix: 8)
            return bytes(String(repeating: "0", count: width - digits.count) + digits)
        }
        put(Array(name.prefix(100)), at: 0)
        put(octal(mode, 7), at: 100)
        put(octal(0, 7), at: 108)
        put(octal(0, 7), at: 116)
        put(octal(body.count, 11), at: 124)
        put(octal(0, 11), at: 136)
        put(bytes("        "), at: 148)
        put(bytes(String(type)), at: 156)
        put(Array(link.prefix(100)), at: 157)
        put(bytes("ustar\u{0}00"), at: 257)
        put(octal(device, 7), at: 329)
        put(octal(device, 7), at: 337)
        put(octal(header.reduce(0) { $0 + Int($1) }, 6) + [0], at: 148)
        content += header + body + [UInt8](repeating: 0, count: (512 - body.count % 512) % 512)
    }

    /// A pax header for the next entry.
    mutating func addPax(_ key: String, _ value: String) {
        var line = " \(key)=\(value)\n"
        var count = line.utf8.count
        while "\(count)\(line)".utf8.count != count { count = "\(count)\(line)".utf8.count }
        line = "\(count)\(line)"
        add("PaxHeader", type: "x", line)
    }

    /// GNU's way to have a longer name for the next entry.
    mutating func addLongName(_ name: String) {
        add("././@LongLink", type: "L", name + "\u{0}")
    }

    func save(at path: String) throws -> Digest {
        let file = try TarballFile(creating: path)
        let compressor = FrameCompressor(file: file, level: 3)
        try (content + [UInt8](repeating: 0, count: 1024)).withUnsafeBytes { try compressor.write($0) }
        try compressor.endFrame()
        return try file.finish()
    }
}
