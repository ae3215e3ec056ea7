import Dispatch
import Glibc

/// What Ctrl-C does while a command follows a run: it leaves, says how to go on, and stops nothing.
enum Interruption {
    // Kept for the life of the process: a source that is let go does nothing any more.
    nonisolated(unsafe) private static var source: (any DispatchSourceSignal)?

    static func explain(_ text: String) {
        signal(SIGINT, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())
        source.setEventHandler {
            Terminal().say("\n\(text)")
            exit(130)
        }
        source.resume()
        self.source = source
    }
}
