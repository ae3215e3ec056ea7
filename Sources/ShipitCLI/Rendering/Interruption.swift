import Dispatch
import Glibc

/// What Ctrl-C does while a command follows a run: it leaves, says how to go on, and stops nothing.
enum Interruption {
    // Kept for the life of the process: a source that is let go does nothing any more.
    nonisolated(unsafe) private static var sources: [any DispatchSourceSignal] = []

    static func explain(_ text: String) {
        handle(SIGINT) {
            Terminal().say("\n\(text)")
            exit(130)
        }
    }

    /// Ctrl-C and a polite kill stop what is under way, which then puts things back.
    static func handle(_ stop: @escaping @Sendable () -> Void) {
        for number in [SIGINT, SIGTERM] { handle(number, stop) }
    }

    private static func handle(_ number: Int32, _ body: @escaping @Sendable () -> Void) {
        signal(number, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
        source.setEventHandler(handler: body)
        source.resume()
        sources.append(source)
    }
}
