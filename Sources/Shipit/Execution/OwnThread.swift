import Glibc

/// Work that blocks, on a thread of its own.
///
/// Not on a dispatch queue: those start as many threads as there are cores, and notice only once a second that all of
/// them wait for something.
enum OwnThread {
    private final class Work {
        let run: @Sendable () -> Void

        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Starts the work, whose thread ends when it returns; false, and nothing is run, when there is no thread to be had.
    static func start(_ work: @escaping @Sendable () -> Void) -> Bool {
        let box = Unmanaged.passRetained(Work(work))
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { pointer in
                if let pointer { Unmanaged<Work>.fromOpaque(pointer).takeRetainedValue().run() }
                return nil
            }, box.toOpaque())
        guard code == 0 else {
            box.release()
            return false
        }
        pthread_detach(thread)
        return true
    }
}

/// Runs work that blocks without holding one of the few cooperative threads.
func onThread<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { continuation in
        // Without a thread it is done here: late, but done.
        if !OwnThread.start({ continuation.resume(returning: work()) }) { continuation.resume(returning: work()) }
    }
}

/// The same for work that can fail.
func onThread<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        if !OwnThread.start({ continuation.resume(with: Result { try work() }) }) {
            continuation.resume(with: Result { try work() })
        }
    }
}
