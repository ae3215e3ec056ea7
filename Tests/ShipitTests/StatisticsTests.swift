import Foundation
import GRDB
import GitKit
import Testing

@testable import Shipit

/// Deployments by hand: `number revision status at`, minutes after noon.
private func row(
    _ id: Int64, _ revision: Int, _ status: Shipit.Status = .succeeded, at minutes: Int64, previous: Int64? = nil,
    rollback: Bool = false
) -> Statistics.Row {
    Statistics.Row(
        id: id, kind: rollback ? .rollback : .deploy, status: status, revision: Book.revision(revision),
        previous: previous, endedAt: Timestamp(milliseconds: minutes * 60_000), isEmergency: id == 3)
}

private func figures(
    _ rows: [Statistics.Row], bad: [Int: Int64] = [:], live: Int64? = nil, lead: [Double] = []
) -> Statistics {
    let marks = bad.map { (Book.revision($0), Timestamp(milliseconds: $1 * 60_000)) }
    return Statistics(
        rows, days: 30, bad: Dictionary(uniqueKeysWithValues: marks), live: live, leadTimes: lead)
}

@Suite struct StatisticsTests {
    @Test func `nothing deployed has no figures`() {
        let none = figures([])
        #expect(none.deployments == 0 && none.failureRate == nil && none.leadTime == nil && none.timeToRestore == nil)
    }

    @Test func `what failed, what was rolled back and what is marked bad are failures, and nobody else's fault is`() {
        let rows = [
            row(1, 1, at: 0), row(2, 2, .failed, at: 10, previous: 1), row(3, 3, .errored, at: 20, previous: 1),
            row(4, 4, .cancelled, at: 25, previous: 1), row(5, 5, at: 30, previous: 1),
            row(6, 1, at: 42, previous: 5, rollback: true), row(7, 7, at: 50, previous: 6),
            row(8, 8, at: 60, previous: 7),
        ]
        let all = figures(rows, bad: [7: 55], live: 8)
        #expect(all.deployments == 4 && all.changes == 5 && all.failures == 3 && all.rollbacks == 1)
        #expect(all.failureRate == 0.6 && all.emergencies == 1)
        #expect(all.perDay == 4.0 / 30)
        // 5 was live for 12 minutes, 7 for 10.
        #expect(all.timeToRestore?.count == 2 && all.timeToRestore?.median == 660 && all.timeToRestore?.p90 == 720)
    }

    @Test func `several bad ones in a row are one outage, and one that is not over is none yet`() {
        let rows = [
            row(1, 1, at: 0), row(2, 2, at: 10, previous: 1), row(3, 3, at: 20, previous: 2),
            row(4, 1, at: 40, previous: 3, rollback: true), row(5, 5, at: 50, previous: 4),
        ]
        let all = figures(rows, bad: [2: 40, 3: 40, 5: 51], live: 5)
        #expect(all.failures == 3)
        #expect(all.timeToRestore?.count == 1 && all.timeToRestore?.median == 1800)
    }

    @Test func `a failed deployment that was left live is an outage until a good one comes`() {
        let rows = [
            row(1, 1, at: 0), row(2, 2, .failed, at: 5, previous: 1), row(3, 3, .failed, at: 10, previous: 1),
            row(4, 4, at: 25, previous: 3),
        ]
        #expect(figures(rows, live: 4).timeToRestore?.median == 900)
    }

    @Test func `a revision that is marked bad and brought again is judged by its last time`() {
        let rows = [row(1, 1, at: 0), row(2, 1, at: 20, previous: 1)]
        #expect(figures(rows, bad: [1: 10], live: 2).failures == 0)
        #expect(figures(rows, bad: [1: 30], live: 2).failures == 1)
    }

    @Test func `one that turns out bad when somebody goes back to it was a failure too`() {
        let rows = [
            row(1, 1, at: 0), row(2, 2, at: 10, previous: 1), row(3, 3, at: 20, previous: 2),
            row(4, 2, at: 30, previous: 3, rollback: true), row(5, 1, at: 40, previous: 4, rollback: true),
        ]
        let all = figures(rows, bad: [3: 30, 2: 40], live: 5)
        #expect(all.failures == 2 && all.changes == 3 && all.rollbacks == 2)
        #expect(all.timeToRestore?.count == 1 && all.timeToRestore?.median == 1800)
    }

    @Test(arguments: [
        ([4.0], 4.0, 4.0), ([1, 3], 2, 3), ([9, 1, 5], 5, 9), (Array(stride(from: 1.0, through: 10, by: 1)), 5.5, 9),
        (Array(stride(from: 1.0, through: 20, by: 1)), 10.5, 18),
    ])
    func `the median and what nine of ten did not exceed`(times: [Double], median: Double, p90: Double) {
        let found = Statistics.Times(times)
        #expect(found?.median == median && found?.p90 == p90 && found?.count == times.count)
    }

    @Test func `the ledger gives what began since, and lead times of first times only`() throws {
        let book = try Book(promotion: "automatic")
        let old = Timestamp(milliseconds: 1_000_000)
        for number in 1...5 {
            let run = try book.ship(number)
            guard number <= 2 else { continue }
            try book.ledger.write {
                try $0.execute(sql: "UPDATE deployment SET created_at = ? WHERE run = ?", arguments: [old, run])
            }
        }
        let artifact = try #require(try book.ledger.artifacts(app: "blog", revision: Book.revision(5)).first)
        let again = try book.ledger.promote(artifact, to: "staging", by: "ann", reason: nil, policy: book.policy)
        try book.deploy(again, "staging")
        let since = Timestamp(milliseconds: 2_000_000)
        let rows = try book.ledger.statisticsRows(app: "blog", environment: "staging", since: since, limit: 100)
        #expect(rows.map(\.revision) == [3, 4, 5, 5].map(Book.revision))
        #expect(
            try book.ledger.statisticsRows(app: "blog", environment: "staging", since: since, limit: 2).count == 2)
        let firsts = try book.ledger.firstTimes(app: "blog", environment: "staging", rows)
        #expect(firsts.map(\.row.revision) == [3, 4, 5].map(Book.revision))
    }
}

@Suite struct HistoryTests {
    @Test func `show tells who brought a revision where, why, after which checks, and what became of it`() async throws
    {
        let world = try await World()
        try world.must(await world.ship(world.hooks()).result)
        let two = try await world.ship(["index.html": "two\n"]).revision
        try world.must(await world.shipit("promote", two, "--to", "production"))
        try world.must(await world.shipit("rollback", "staging", "--reason", "wrong prices"))
        let shown = await world.shipit("show", String(two.prefix(9))).stdout
        #expect(shown.hasPrefix("\(two.prefix(7)) change\n  staging: live for "), "\(shown)")
        #expect(shown.contains("\n    pushed to main by "))
        #expect(shown.contains("\n    passed ValidateService\n"))
        #expect(shown.contains(": “wrong prices”, run 3: "), "\(shown)")
        #expect(shown.contains("\n  production: live since "))
        #expect(shown.contains("\n    promoted by "))
        let json = try #require(try await world.json("show", two) as? [String: Any])
        let stories = try #require(json["deployments"] as? [[String: Any]])
        #expect(stories.map { $0["environment"] as? String } == ["staging", "production"])
        #expect(stories[0]["rolled_back"] as? Bool == true && stories[0]["live"] as? Bool == false)
        #expect((stories[0]["bad"] as? [String: Any])?["reason"] as? String == "wrong prices")
        #expect(stories[1]["live"] as? Bool == true && stories[1]["live_until"] is NSNull)
        let one = await world.shipit("show", "deployment:2").stdout
        #expect(one.contains("staging: live for ") && !one.contains("production: live"), "\(one)")
        let stats = try #require(try await world.json("stats", "--environment", "staging") as? [String: Any])
        let app = try #require((stats["apps"] as? [[String: Any]])?.first)
        let staging = try #require((app["environments"] as? [[String: Any]])?.first)
        #expect(staging["deployments"] as? Int == 2 && staging["failures"] as? Int == 1)
        #expect((staging["lead_time"] as? [String: Any])?["count"] as? Int == 2)
        #expect(await world.shipit("stats").stdout.contains("50 % (1 of 2)"))
        #expect(await world.shipit("stats", "--since", "soon").status == 64)
        #expect(await world.shipit("stats", "--environment", "nowhere").status == 64)
        try await world.settled()
    }
}
