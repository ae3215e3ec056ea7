import Testing

@testable import Shipit

@Suite struct CronTests {
    private func at(_ text: String) throws -> Timestamp { try #require(Timestamp(parsing: text)) }

    @Test(
        arguments: [
            ("* 9-16 * * mon-thu", "2026-11-23T09:00Z", true), ("* 9-16 * * mon-thu", "2026-11-23T08:59Z", false),
            ("* 9-16 * * mon-thu", "2026-11-23T16:59Z", true), ("* 9-16 * * mon-thu", "2026-11-27T10:00Z", false),
            ("*/15 * * * *", "2026-11-23T10:30Z", true), ("*/15 * * * *", "2026-11-23T10:31Z", false),
            ("0,30 12 1 jan ?", "2027-01-01T12:30Z", true), ("* * 13 * fri", "2026-11-27T00:00Z", true),
            ("* * 13 * fri", "2026-11-13T00:00Z", true), ("* * 13 * fri", "2026-11-12T00:00Z", false),
            ("* * * * 7", "2026-11-22T00:00Z", true), ("* * * * sun", "2026-11-22T00:00Z", true),
        ])
    func `a window is open in the minutes of its expression`(cron: String, time: String, isOpen: Bool) throws {
        #expect(try CronExpression(cron, zone: "UTC").contains(try at(time)) == isOpen)
    }

    @Test(
        arguments: [
            ("* 9-16 * * mon-thu", "UTC", "2026-11-26T17:00Z", "2026-11-30T09:00Z"),
            ("30 9 * * *", "Europe/Berlin", "2026-11-23T20:00Z", "2026-11-24T08:30Z"),
            // Clocks leave out 02:30 on that day.
            ("30 2 * * *", "Europe/Berlin", "2027-03-27T12:00Z", "2027-03-29T00:30Z"),
            // And show this hour twice.
            ("0-29 2 * * *", "Europe/Berlin", "2026-10-25T00:30Z", "2026-10-25T01:00Z"),
            ("0 0 29 feb *", "UTC", "2026-11-23T00:00Z", "2028-02-29T00:00Z"),
            ("* * * * *", "UTC", "2026-11-23T10:00:30Z", "2026-11-23T10:01:00Z"),
        ])
    func `the next opening is the first minute of its expression in its zone`(
        cron: String, zone: String, after: String, opening: String
    ) throws {
        let found = try CronExpression(cron, zone: zone).opening(after: try at(after))
        #expect(found?.rfc3339 == (try at(opening)).rfc3339)
    }

    @Test func `a window that never opens has no opening`() throws {
        #expect(try CronExpression("* * 31 feb *", zone: "UTC").opening(after: .now) == nil)
    }

    @Test(arguments: [
        "", "* * * *", "60 * * * *", "* 5-3 * * *", "* * * * foo", "*/0 * * * *", "1,,2 * * * *", "-1 * * * *",
    ])
    func `what is no expression is refused`(cron: String) {
        #expect(throws: CronExpression.Fault.self) { try CronExpression(cron, zone: "UTC") }
    }
}
