import Foundation
import GitKit
import Testing

@testable import Shipit

@Suite struct SteeringModelTests {
    /// Every mode with every kind of condition.
    private static let policies: [String] = {
        let modes = [
            "mode: superseded", "mode: superseded\nsupersede_waiting: no", "mode: queued", "mode: parallel",
            "mode: queued\nbuild: {retry: 1}",
        ]
        let conditions = [
            "promotion: manual", "promotion: automatic", "promotion: automatic\n    soak: 1h",
            "promotion: manual\n    approvals: 2",
            "promotion: automatic\n    approvals: {needed: 1, never_author_alone: yes}\n    soak: 30m\n    retry: 1",
            "promotion: automatic\n    soak: 1h\n    window: {cron: \"* 9-16 * * *\", zone: UTC}",
            "promotion: manual\n    freeze: {from: 2026-09-20, until: 2026-09-25, reason: sale}",
        ]
        return modes.flatMap { mode in
            conditions.map { condition in
                """
                app: blog
                repository: /srv/blog.git
                \(mode)
                environments:
                  - name: staging
                    targets: [/srv/staging]
                  - name: production
                    targets: [/srv/production]
                    \(condition)
                  - name: preview
                    targets: [/srv/preview]
                    promotion: none
                """
            }
        }
    }()

    @Test func `a hundred thousand random histories obey the page of rules, and none gets stuck`() async throws {
        let pipelines = try Self.policies.map { try Pipeline.parse(Array($0.utf8), file: "pipeline.yml").pipeline }
        let histories = Scale.histories
        var faults: [String] = []
        var happenings = 0
        for number in 0..<histories {
            let seed = UInt64(number) + 1
            var history = SteeringHistory(seed: seed, pipelines[number % pipelines.count], pipelines)
            for _ in 0..<(4 + number % 37) {
                history.happen()
                if history.random.next() % 2 == 0 { history.work() }
            }
            history.comeToRest()
            // Others share the threads.
            await Task.yield()
            happenings += history.happenings
            faults += history.faults.prefix(2).map { "seed \(seed), policy \(number % pipelines.count): \($0)" }
            if faults.count > 10 { break }
        }
        #expect(faults == [], "\(faults.joined(separator: "\n"))")
        print("\(histories) histories, \(happenings) happenings")
    }
}

private enum Scale {
    static let histories = ProcessInfo.processInfo.environment["SHIPIT_HISTORIES"].flatMap { Int($0) } ?? 500
}
