import Synchronization

/// The wish to stop, for work that must go on to put things back after it was granted.
final class Cancellation: Sendable {
    private let state = Mutex<(isCancelled: Bool, signals: [StopSignal])>((false, []))

    func cancel() {
        let signals = state.withLock { state in
            state.isCancelled = true
            return state.signals
        }
        for signal in signals { signal.raise() }
    }

    /// Raises `signal` when cancelled, also when that was before.
    func raises(_ signal: StopSignal) {
        let isCancelled = state.withLock { state in
            state.signals.append(signal)
            return state.isCancelled
        }
        if isCancelled { signal.raise() }
    }

    func check() throws {
        if state.withLock({ $0.isCancelled }) { throw CancellationError() }
    }
}
