import ArtifactKit
import Glibc
import Synchronization

/// The log of one job: one line a record, its time, a sign that says who speaks, and text that is safe to print.
///
/// `*` is shipit, `$` a command that begins, `|` what a program wrote; so no program can write a line of shipit's.
/// Bounded: past `limit` bytes the middle of the output is left out, and that is said. Safe to use from any thread.
public final class LogFile: Sendable {
    static let limit = 16 << 20
    private static let longestLine = 16 << 10

    private struct State {
        var descriptor: Int32
        var size = 0
        /// What is decided of the line that is being written; `stream` has the rest.
        var pending: [UInt8] = []
        var hasLine = false
        var leftOut = 0
        var lastWasReturn = false
        var masker: Masker
        var hidesAll = true
        var stream: MaskingStream
    }

    private let state: Mutex<State>
    public let path: String

    /// Opens the log and appends to what an earlier attempt wrote.
    init(at path: String, masker: Masker = Masker(secrets: [])) throws {
        self.path = path
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            throw ShipitError(.failure, "could not write the log \(path): \(systemReason(errno))")
        }
        let size = Int(lseek(descriptor, 0, SEEK_END))
        state = Mutex(State(descriptor: descriptor, size: max(0, size), masker: masker, stream: masker.stream()))
    }

    deinit {
        finish()
        state.withLock { _ = close($0.descriptor) }
    }

    /// From here on these are hidden, and nothing else.
    func mask(_ secrets: [String]) {
        let masker = Masker(secrets: secrets)
        state.withLock { state in
            if state.hasLine { flush(&state) }
            state.masker = masker
            state.stream = masker.stream()
        }
    }

    /// False when commands could not tell again what an earlier attempt was told.
    var hidesAll: Bool { state.withLock { $0.hidesAll } }

    /// Something that scripts may have been told is not known here.
    func knowsNotAll() { state.withLock { $0.hidesAll = false } }

    /// A text without what is hidden.
    func masked(_ text: String) -> String { state.withLock { $0.masker.masked(text) } }

    /// A line of shipit's own.
    func say(_ text: String) { line("*", text) }

    /// A command that is about to run.
    func command(_ text: String) {
        for part in text.split(separator: "\n", omittingEmptySubsequences: true) { line("$", String(part)) }
    }

    /// What a program wrote, in pieces of any size.
    func output(_ bytes: UnsafeRawBufferPointer) {
        state.withLock { state in
            var rest = bytes
            while let first = rest.first {
                // A carriage return redraws a line on a terminal; here it ends one.
                if first == UInt8(ascii: "\n") || first == UInt8(ascii: "\r") {
                    let ends = first == UInt8(ascii: "\r") || !state.lastWasReturn || state.hasLine
                    state.lastWasReturn = first == UInt8(ascii: "\r")
                    if ends { flush(&state) }
                    rest = UnsafeRawBufferPointer(rebasing: rest[1...])
                    continue
                }
                state.lastWasReturn = false
                let piece = rest[..<Self.lineEnd(rest, atMost: Self.longestLine - state.pending.count)]
                state.hasLine = true
                state.stream.mask(UnsafeRawBufferPointer(rebasing: piece), into: &state.pending)
                if state.pending.count >= Self.longestLine { writeLine(&state) }
                rest = UnsafeRawBufferPointer(rebasing: rest[piece.endIndex...])
            }
        }
    }

    private static func lineEnd(_ bytes: UnsafeRawBufferPointer, atMost limit: Int) -> Int {
        let limit = min(bytes.count, max(1, limit))
        var index = 0
        while index < limit, bytes[index] != UInt8(ascii: "\n"), bytes[index] != UInt8(ascii: "\r") { index += 1 }
        return index
    }

    /// Writes an unfinished last line, and says how much was left out.
    func finish() {
        state.withLock { state in
            if state.hasLine { flush(&state) }
            if state.leftOut > 0 {
                let text = "\(Timestamp.now.clock) * \(state.leftOut) bytes of output were left out\n"
                state.leftOut = 0
                put(text, &state)
            }
        }
    }

    private func line(_ sign: String, _ text: String) {
        state.withLock { state in
            if state.hasLine { flush(&state) }
            put("\(Timestamp.now.clock) \(sign) \(visibleLine(state.masker.masked(text)))\n", &state)
        }
    }

    /// The line is over.
    private func flush(_ state: inout State) {
        state.stream.finish(into: &state.pending)
        writeLine(&state)
        state.hasLine = false
    }

    /// Writes what is decided of the line, as a line.
    private func writeLine(_ state: inout State) {
        let text = "\(Timestamp.now.clock) | \(visibleOutput(state.pending))\n"
        state.pending.removeAll(keepingCapacity: true)
        if state.size + text.utf8.count > Self.limit {
            state.leftOut += text.utf8.count
        } else {
            put(text, &state)
        }
    }

    private func put(_ text: String, _ state: inout State) {
        var text = text
        // A full disk must not stop the job that frees it; what was left out is counted.
        let written = text.withUTF8 { write(state.descriptor, $0.baseAddress, $0.count) }
        if written > 0 { state.size += written } else { state.leftOut += text.utf8.count }
    }
}

/// A program's line: text stays text, everything else is shown.
private func visibleOutput(_ bytes: [UInt8]) -> String {
    if let text = String(validating: bytes, as: UTF8.self) { return visibleLine(text) }
    return visible(bytes)
}
