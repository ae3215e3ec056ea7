import GitKit

extension Installation {
    /// Whether systemd starts workers, so that nobody else needs to.
    public var isServedBySystemd: Bool { FileSystem.exists(home.systemdMarker) }

    /// Makes the ledger know what the policy says now of where the app is fetched from.
    public func expectFetch(of app: App) throws {
        try ledger.expectFetches(app.pipeline.remote.map { [app.name: $0.url] } ?? [:], of: [app.name])
    }

    /// Whether a branch that ships is not where the ledger knows it.
    public func hasUnexplainedMoves(of app: App) throws -> Bool {
        try app.pipeline.references(of: try app.repository()) != ledger.references(of: app.name)
    }
}
