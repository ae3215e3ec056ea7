import Foundation

/// Minutes of the local time of a zone, as five fields of cron(5): minute, hour, day of the month, month, day of the week.
///
/// `*`, numbers, names of months and days, ranges, steps and lists; where both kinds of days are restricted, either will
/// do, as for cron. What people mean by `?` elsewhere is `*`.
public struct CronExpression: Hashable, Sendable {
    public let text: String
    public let zone: String
    private let minutes: Set<Int>
    private let hours: Set<Int>
    private let days: Set<Int>
    private let months: Set<Int>
    private let weekdays: Set<Int>
    private let daysAreFree: Bool
    private let weekdaysAreFree: Bool

    /// Why a text is no expression, as the end of a sentence.
    struct Fault: Error { let text: String }

    init(_ text: String, zone: String) throws(Fault) {
        guard TimeZone(identifier: zone) != nil else {
            throw Fault(text: "there is no time zone \"\(zone)\", expected one such as Europe/Berlin or UTC")
        }
        let fields = text.split(separator: " ")
        guard fields.count == 5 else {
            throw Fault(
                text:
                    "a window wants five fields (minute, hour, day, month, day of the week) such as \"* 9-16 * * mon-thu\", found \"\(text)\""
            )
        }
        self.text = text
        self.zone = zone
        minutes = try Self.values(fields[0], 0...59, of: "the minute")
        hours = try Self.values(fields[1], 0...23, of: "the hour")
        days = try Self.values(fields[2], 1...31, of: "the day of the month")
        months = try Self.values(fields[3], 1...12, of: "the month", names: Self.monthNames, first: 1)
        var weekdays = try Self.values(fields[4], 0...7, of: "the day of the week", names: Self.dayNames, first: 0)
        if weekdays.contains(7) { weekdays.insert(0) }
        self.weekdays = weekdays
        daysAreFree = ["*", "?"].contains(fields[2])
        weekdaysAreFree = ["*", "?"].contains(fields[4])
    }

    private static let monthNames = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ]
    private static let dayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]

    private static func values(
        _ field: Substring, _ range: ClosedRange<Int>, of what: String, names: [String] = [], first: Int = 0
    ) throws(Fault) -> Set<Int> {
        var values: Set<Int> = []
        for part in field.lowercased().split(separator: ",", omittingEmptySubsequences: false) {
            let halves = part.split(separator: "/", omittingEmptySubsequences: false)
            let step = halves.count == 2 ? number(halves[1]) : 1
            guard let step, step > 0, let span = halves.first, halves.count <= 2 else {
                throw Fault(text: "\(what) has no \"\(part)\"")
            }
            let bounds = span.split(separator: "-", omittingEmptySubsequences: false).map { word in
                number(word) ?? names.firstIndex(of: String(word)).map { $0 + first }
            }
            switch (span, bounds.count) {
            case ("*", _), ("?", _):
                values.formUnion(stride(from: range.lowerBound, through: range.upperBound, by: step))
            case (_, 1):
                guard let only = bounds[0], range.contains(only) else {
                    throw Fault(text: "\(what) has no \"\(part)\"")
                }
                let last = halves.count == 2 ? range.upperBound : only
                values.formUnion(stride(from: only, through: last, by: step))
            case (_, 2):
                guard let low = bounds[0], let high = bounds[1], range.contains(low), range.contains(high), low <= high
                else { throw Fault(text: "\(what) has no \"\(part)\"") }
                values.formUnion(stride(from: low, through: high, by: step))
            default: throw Fault(text: "\(what) has no \"\(part)\"")
            }
        }
        return values
    }

    private static func number(_ text: Substring) -> Int? {
        text.utf8.count <= 3 && text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            ? Int(text) : nil
    }

    // MARK: Times

    /// Whether the minute of that time is one of its own.
    public func contains(_ time: Timestamp) -> Bool {
        let parts = calendar.dateComponents([.month, .day, .hour, .minute, .weekday], from: time.date)
        guard let minute = parts.minute, let hour = parts.hour else { return false }
        return minutes.contains(minute) && hours.contains(hour) && isDay(parts)
    }

    /// The beginning of the next minute of its own; nil when there is none within eight years.
    public func opening(after time: Timestamp) -> Timestamp? {
        let calendar = calendar
        // From the next whole minute on.
        let start = Date(timeIntervalSince1970: (time.date.timeIntervalSince1970 / 60).rounded(.down) * 60 + 60)
        var day = calendar.startOfDay(for: start)
        for _ in 0..<(8 * 366) {
            if isDay(calendar.dateComponents([.month, .day, .weekday], from: day)) {
                for hour in hours.sorted() {
                    guard let noon = calendar.date(bySettingHour: hour, minute: 0, second: 0, of: day) else { continue }
                    guard noon.addingTimeInterval(7200) > start else { continue }
                    for minute in minutes.sorted() {
                        guard let date = calendar.date(bySettingHour: hour, minute: minute, second: 0, of: day) else {
                            continue
                        }
                        // An hour that clocks show twice comes again; one that they leave out gives another minute.
                        for date in [date, date.addingTimeInterval(3600)] where date >= start {
                            let found = Timestamp(milliseconds: Int64(date.timeIntervalSince1970 * 1000))
                            if contains(found) { return found }
                        }
                    }
                }
            }
            guard let next = calendar.date(byAdding: .day, value: 1, to: day) else { return nil }
            day = calendar.startOfDay(for: next)
        }
        return nil
    }

    /// Open for single minutes only, which is seldom meant.
    var isMomentary: Bool { minutes.count == 1 }

    private func isDay(_ parts: DateComponents) -> Bool {
        guard let month = parts.month, let day = parts.day, let weekday = parts.weekday, months.contains(month) else {
            return false
        }
        let isDay = days.contains(day)
        let isWeekday = weekdays.contains(weekday - 1)
        if daysAreFree || weekdaysAreFree { return isDay && isWeekday }
        return isDay || isWeekday
    }

    private var calendar: Calendar {
        var calendar = Calendar(identifier: .gregorian)
        if let zone = TimeZone(identifier: zone) { calendar.timeZone = zone }
        return calendar
    }
}
