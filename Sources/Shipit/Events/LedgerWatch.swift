/// Waits for the ledger to change, whichever process changes it.
public struct LedgerWatch: Sendable {
    private let watch: Watch

    public init(_ installation: Installation) throws { watch = try Watch(installation.home) }

    /// Returns when something may have changed, or after `limit`.
    public func wait(_ limit: Duration) async { await watch.wait(limit) }
}
