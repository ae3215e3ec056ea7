import ArtifactKit
import Glibc

/// The stubs that views cover, for one deployment at a time: from when they are found empty until nothing of it can be
/// left in them.
final class StubLocks: Sendable {
    private let locks: [FileLock]

    /// Waits for the deployments of other environments that share one. `folder` holds the locks.
    init(_ destinations: Set<String>, in folder: String, _ cancellation: Cancellation?, waits: (String) throws -> Void)
        async throws
    {
        _ = try Directory(creating: folder, mode: 0o700)
        var locks: [FileLock] = []
        // In one order everywhere, or two would wait for each other.
        for destination in destinations.sorted() {
            let name = String(Digest.of(Array(destination.utf8)).description.prefix(32))
            locks.append(try await Self.lock("\(folder)/\(name)", destination, cancellation, waits))
        }
        self.locks = locks
    }

    private static func lock(
        _ path: String, _ destination: String, _ cancellation: Cancellation?, _ waits: (String) throws -> Void
    ) async throws -> FileLock {
        var hasSaid = false
        while true {
            try cancellation?.check()
            do {
                return try FileLock(path, busy: "another deployment uses \(visibleLine(destination))")
            } catch let error as ShipitError where error.code == .busy {
                if !hasSaid { try waits(error.message) }
                hasSaid = true
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }
}
