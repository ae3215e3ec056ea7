import Dispatch
import GitKit
import Synchronization

/// Reads blobs on a second core while the first one hashes and compresses; bounded, so memory stays flat.
///
/// Opens the repository for itself, since handles stay in their thread. `stop` must be called in any case.
final class BlobReadAhead: Sendable {
    enum Blob: Sendable {
        case bytes([UInt8])
        /// Too large to hold; whoever wants it streams it.
        case large(size: Int64)
    }

    static let largest: Int64 = 128 << 10
    private static let count = 64

    private struct State {
        var blobs: [Result<Blob, any Error>] = []
        var isStopped = false
    }

    private let state = Mutex(State())
    // Both begin at zero: a semaphore that is let go below its first value ends the process.
    private let filled = DispatchSemaphore(value: 0)
    private let free = DispatchSemaphore(value: 0)

    init(_ ids: [ObjectID], in path: String) {
        for _ in 0..<Self.count { free.signal() }
        if !OwnThread.start({ self.read(ids, path) }) {
            _ = put(.failure(ShipitError(.failure, "could not start a thread to read the repository")))
        }
    }

    /// The next blob in the order of the ids; waits for it.
    func next() throws -> Blob {
        filled.wait()
        let blob = state.withLock { $0.blobs.removeFirst() }
        free.signal()
        return try blob.get()
    }

    func stop() {
        state.withLock { $0.isStopped = true }
        free.signal()
    }

    private func read(_ ids: [ObjectID], _ path: String) {
        do {
            let repository = try Repository(at: path)
            for id in ids {
                let size = try repository.blobSize(id)
                let blob: Blob = size > Self.largest ? .large(size: size) : .bytes(try repository.blob(id))
                guard put(.success(blob)) else { return }
            }
        } catch {
            _ = put(.failure(error))
        }
    }

    private func put(_ blob: Result<Blob, any Error>) -> Bool {
        free.wait()
        let goesOn = state.withLock { state in
            state.blobs.append(blob)
            return !state.isStopped
        }
        filled.signal()
        return goesOn
    }
}
