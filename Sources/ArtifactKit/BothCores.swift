import Dispatch
import Synchronization

/// Goes through numbered pieces of work on two threads, each with a state of its own; the first error ends both.
///
/// The calling thread is one of them, so it comes to its end even where no other thread is to be had.
public func onBothCores<State>(
    _ pieces: Int, _ begin: @Sendable () throws -> State, _ work: @Sendable (inout State, Int) throws -> Void
) throws {
    let next = Atomic(0)
    let failure = Mutex<(any Error)?>(nil)
    DispatchQueue.concurrentPerform(iterations: min(2, pieces)) { _ in
        do {
            var state = try begin()
            while failure.withLock({ $0 == nil }) {
                let piece = next.wrappingAdd(1, ordering: .relaxed).oldValue
                guard piece < pieces else { return }
                try work(&state, piece)
            }
        } catch {
            failure.withLock { $0 = $0 ?? error }
        }
    }
    if let error = failure.withLock({ $0 }) { throw error }
}
