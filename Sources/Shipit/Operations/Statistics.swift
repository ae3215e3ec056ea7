public import GitKit

/// How often an environment is deployed to, how long changes take to get there, how many fail, and for how long.
///
/// Times are wall time: what people waited.
public struct Statistics: Hashable, Sendable {
    /// As much of a deployment as the figures need.
    public struct Row: Hashable, Sendable {
        public let id: Int64
        public let kind: Deployment.Kind
        public let status: Status
        public let revision: Revision
        public let previous: Int64?
        public let endedAt: Timestamp
        public let isEmergency: Bool
    }

    /// Seconds.
    public struct Times: Hashable, Sendable {
        public let count: Int
        public let median: Double
        /// Nine of ten took no longer.
        public let p90: Double

        /// Nil when there are none.
        init?(_ times: [Double]) {
            guard !times.isEmpty else { return nil }
            let sorted = times.sorted(), middle = sorted.count / 2
            count = sorted.count
            median = sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
            p90 = sorted[(sorted.count * 9 + 9) / 10 - 1]
        }
    }

    /// Those that succeeded and were no rollback.
    public let deployments: Int
    public let days: Double
    /// Deployments that the revision itself decided: succeeded and failed, no rollbacks.
    public let changes: Int
    /// Of these, what failed, was rolled back from, or is marked bad.
    public let failures: Int
    public let emergencies: Int
    public let rollbacks: Int
    /// From the commit until it was live there for the first time.
    public let leadTime: Times?
    /// From when something bad went live until something good did.
    public let timeToRestore: Times?

    public var perDay: Double { Double(deployments) / days }
    public var failureRate: Double? { changes == 0 ? nil : Double(failures) / Double(changes) }

    /// `rows`: oldest first, without gaps. `bad`: when revisions were marked. `live`: the deployment that is live now.
    /// `leadTimes`: in seconds.
    init(_ rows: [Row], days: Double, bad: [Revision: Timestamp], live: Int64?, leadTimes: [Double]) {
        let previous = Set(rows.lazy.compactMap(\.previous))
        var lastOf: [Revision: Int64] = [:]
        for row in rows where bad[row.revision] != nil && row.kind == .deploy { lastOf[row.revision] = row.id }
        let wentLive = rows.filter { row in
            // One that did not succeed may have been left live.
            row.status == .succeeded || row.status.isFinal && (previous.contains(row.id) || row.id == live)
        }
        var badOnes: Set<Int64> = []
        for (index, row) in wentLive.enumerated() {
            let next = index + 1 < wentLive.count ? wentLive[index + 1] : nil
            let isMarked = bad[row.revision].map { $0 >= row.endedAt && row.id >= lastOf[row.revision] ?? 0 } ?? false
            if row.status != .succeeded || isMarked || next?.kind == .rollback && next?.revision != row.revision {
                badOnes.insert(row.id)
            }
        }
        let decided = rows.filter { $0.kind == .deploy && [.succeeded, .failed].contains($0.status) }
        self.days = max(1, days)
        deployments = decided.count { $0.status == .succeeded }
        changes = decided.count
        failures = decided.count { $0.status == .failed || badOnes.contains($0.id) }
        emergencies = rows.count { $0.isEmergency }
        rollbacks = rows.count { $0.kind == .rollback && $0.status == .succeeded }
        leadTime = Times(leadTimes)
        timeToRestore = Times(Self.outages(wentLive, badOnes))
    }

    /// Several bad ones in a row are one outage.
    private static func outages(_ wentLive: [Row], _ badOnes: Set<Int64>) -> [Double] {
        var outages: [Double] = [], since: Timestamp?
        for row in wentLive {
            if badOnes.contains(row.id) {
                since = since ?? row.endedAt
            } else if let began = since {
                outages.append(seconds(from: began, to: row.endedAt))
                since = nil
            }
        }
        return outages
    }

    /// Never below zero, whatever clocks say.
    static func seconds(from: Timestamp, to: Timestamp) -> Double {
        Double(max(0, to.milliseconds - from.milliseconds)) / 1000
    }
}

extension Statistics {
    /// The newest of which the lead time is taken.
    static let mostLeadTimes = 1000
    static let mostRows = 100_000

    /// From the ledger, and from the repository where it still has the commits.
    public static func of(
        _ app: App, _ environment: String, since: Timestamp, in installation: Installation, now: Timestamp = .now
    ) throws -> Statistics {
        let ledger = installation.ledger
        let begin = max(since, try ledger.createdAt(app: app.name) ?? since)
        let rows = try ledger.statisticsRows(app: app.name, environment: environment, since: begin, limit: mostRows)
        let firsts = try ledger.firstTimes(
            app: app.name, environment: environment,
            rows.reversed().lazy.filter { $0.kind == .deploy && $0.status == .succeeded }.prefix(mostLeadTimes))
        // Without it the first run of a revision says when it was pushed.
        let repository = firsts.isEmpty ? nil : try? app.repository()
        let leadTimes = firsts.map { first in
            // Gone from the repository: as above.
            let commit = try? repository?.commit(first.row.revision)
            let made = commit.map { Timestamp(milliseconds: $0.committer.seconds * 1000) } ?? first.firstRun
            return seconds(from: made, to: first.row.endedAt)
        }
        return Statistics(
            rows, days: seconds(from: begin, to: now) / 86_400,
            bad: try ledger.badMarks(app: app.name, environment: environment).mapValues(\.at),
            live: try ledger.environment(app.name, environment).live?.id, leadTimes: leadTimes)
    }
}
