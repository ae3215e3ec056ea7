import Glibc
import Spool

/// Everything that git wrote to the hook's standard input.
struct HookInput {
    private(set) var bytes: [UInt8] = []
    private(set) var updates: [Push.Update] = []
    private(set) var problem: SystemError?
    private var malformedLines = 0

    /// Reads to the end even when there is too much, since git waits for us to do so.
    init(reading descriptor: Int32) {
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            if count < 0 { problem = SystemError(operation: "read what git says", code: errno) }
            guard count > 0 else { break }
            if bytes.count <= Push.maximumEncodedSize { bytes += chunk[..<count] }
        }
        if bytes.count > Push.maximumEncodedSize {
            problem = SystemError(operation: "take in so many references", code: E2BIG)
        }
        if problem == nil { parse() }
    }

    var warnings: [String] {
        malformedLines == 0 ? [] : ["not understood and not queued: \(malformedLines) of the lines that git gave"]
    }

    private mutating func parse() {
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            if let update = Push.Update(line: line) {
                updates.append(update)
            } else {
                malformedLines += 1
            }
        }
    }
}
