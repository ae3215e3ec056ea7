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
        var pending: [UInt8] = []
        var leftOut = 0
        var lastWasReturn = false
        var masker: Masker
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
        state = Mutex(State(descriptor: descriptor, size: max(0, size), masker: masker))
    }

    deinit {
        finish()
        state.withLock { _ = close($0.descriptor) }
    }

    /// From here on these are hidden, and nothing else.
    func mask(_ secrets: [String]) {
        let masker = Masker(secrets: secrets)
        state.withLock { $0.masker = masker }
    }

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
            for byte in bytes {
                // A carriage return redraws a line on a terminal; here it ends one.
                if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") {
                    if byte == UInt8(ascii: "\n"), state.lastWasReturn, state.pending.isEmpty {
                        state.lastWasReturn = false
                        continue
                    }
                    state.lastWasReturn = byte == UInt8(ascii: "\r")
                    flush(&state, keeping: 0)
                } else {
                    state.lastWasReturn = false
                    state.pending.append(byte)
                    if state.pending.count >= Self.longestLine + state.masker.overlap {
                        flush(&state, keeping: state.masker.overlap)
                    }
                }
            }
        }
    }

    /// Writes an unfinished last line, and says how much was left out.
    func finish() {
        state.withLock { state in
            if !state.pending.isEmpty { flush(&state, keeping: 0) }
            if state.leftOut > 0 {
                let text = "\(Timestamp.now.clock) * \(state.leftOut) bytes of output were left out\n"
                state.leftOut = 0
                put(text, &state)
            }
        }
    }

    private func line(_ sign: String, _ text: String) {
        state.withLock { state in
            if !state.pending.isEmpty { flush(&state, keeping: 0) }
            put("\(Timestamp.now.clock) \(sign) \(visibleLine(state.masker.masked(text)))\n", &state)
        }
    }

    private func flush(_ state: inout State, keeping rest: Int) {
        var bytes = state.masker.masked(state.pending)
        let keep = rest > 0 ? Array(bytes.suffix(rest)) : []
        bytes.removeLast(keep.count)
        state.pending = keep
        let text = "\(Timestamp.now.clock) | \(visibleOutput(bytes))\n"
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
