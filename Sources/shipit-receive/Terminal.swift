import Glibc

/// The pusher's terminal, at the far end of git's side band; one write a line, so that no line is torn.
enum Terminal {
    static func say(_ text: String) { write("shipit: \(text)\n", to: STDOUT_FILENO) }

    static func complain(_ text: String) { write("shipit: error: \(text)\n", to: STDERR_FILENO) }

    static func warn(_ text: String) { write("shipit: warning: \(text)\n", to: STDERR_FILENO) }

    /// A pusher who is gone is no failure, so the result does not matter.
    private static func write(_ text: String, to descriptor: Int32) {
        let bytes = Array(text.utf8)
        _ = Glibc.write(descriptor, bytes, bytes.count)
    }
}
