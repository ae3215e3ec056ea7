import Glibc
import Synchronization

/// The stubs that views cover, for one deployment at a time: from when they are found empty until what BeforeInstall left
/// in them is taken.
final class StubLocks: Sendable {
    private let locks: Mutex<[FileLock]>

    private init(_ locks: [FileLock]) { self.locks = Mutex(locks) }

    /// Waits for other environments that share one. `folder` holds the locks.
    static func take(_ destinations: [String], in folder: String) async throws -> StubLocks {
        var locks: [FileLock] = []
        for destination in destinations.sorted() {
            let name = destination.replacing("%", with: "%25").replacing("/", with: "%2F")
            locks.append(try await lock("\(folder)/\(name)", destination))
        }
        return StubLocks(locks)
    }

    private static func lock(_ path: String, _ destination: String) async throws -> FileLock {
        let deadline = ContinuousClock.now + .seconds(600)
        while true {
            do {
                return try FileLock(path, busy: "another environment installs to \(visibleLine(destination))")
            } catch let error as ShipitError where error.code == .busy && ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    func release() { locks.withLock { $0 = [] } }
}
