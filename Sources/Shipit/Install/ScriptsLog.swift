import Glibc
import Synchronization

/// A log in the agent's own words: one record a line, whoever spoke in front of it (AWS reference 1.9).
final class ScriptsLog: Sendable {
    private struct State {
        var files: [(descriptor: Int32, stamp: @Sendable () -> String)] = []
        var pending: [String: [UInt8]] = [:]
    }

    private let state = Mutex(State())
    /// A line that is longer is cut into several.
    private static let longestLine = 64 << 10

    init() {}

    deinit {
        finish()
        state.withLock { state in for file in state.files { close(file.descriptor) } }
    }

    /// Appends from now on to this file too; `stamp` is what each record begins with.
    func open(_ path: String, stamp: @escaping @Sendable () -> String) throws {
        let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard descriptor >= 0 else {
            throw ShipitError(.failure, "could not write the log \(visibleLine(path)): \(systemReason(errno))")
        }
        state.withLock { $0.files.append((descriptor, stamp)) }
    }

    func say(_ record: String) { state.withLock { Self.put(Array(record.utf8), $0) } }

    /// What a script wrote, in pieces of any size. `stream`: `stdout` or `stderr`.
    func output(_ bytes: UnsafeRawBufferPointer, _ stream: String) {
        state.withLock { state in
            var pending = state.pending[stream] ?? []
            for byte in bytes {
                if byte == UInt8(ascii: "\n") || pending.count >= Self.longestLine {
                    Self.put(Array("[\(stream)]".utf8) + pending, state)
                    pending = []
                }
                if byte != UInt8(ascii: "\n") { pending.append(byte) }
            }
            state.pending[stream] = pending
        }
    }

    /// Writes unfinished last lines.
    func finish() {
        state.withLock { state in
            for (stream, pending) in state.pending.sorted(by: { $0.key < $1.key }) where !pending.isEmpty {
                Self.put(Array("[\(stream)]".utf8) + pending, state)
            }
            state.pending = [:]
        }
    }

    /// A full disk must not stop a deployment.
    private static func put(_ record: [UInt8], _ state: State) {
        for file in state.files {
            let line = Array(file.stamp().utf8) + record + [UInt8(ascii: "\n")]
            _ = line.withUnsafeBytes { write(file.descriptor, $0.baseAddress, $0.count) }
        }
    }
}
