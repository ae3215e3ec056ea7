import CLinux
public import FoundationEssentials
import Glibc

/// Wall time for people, in milliseconds since 1970; never used for order or for durations.
public struct Timestamp: Hashable, Sendable, Codable, Comparable {
    public let milliseconds: Int64

    public init(milliseconds: Int64) { self.milliseconds = milliseconds }

    public static var now: Timestamp { Timestamp(milliseconds: linux_nanoseconds(CLOCK_REALTIME) / 1_000_000) }

    public init(from decoder: any Decoder) throws {
        milliseconds = try decoder.singleValueContainer().decode(Int64.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(milliseconds)
    }

    public static func < (a: Timestamp, b: Timestamp) -> Bool { a.milliseconds < b.milliseconds }

    public var date: Date { Date(timeIntervalSince1970: Double(milliseconds) / 1000) }

    /// RFC 3339 in UTC, to the millisecond.
    public var rfc3339: String {
        let parts = utc
        return "\(padded(parts.year, 4))-\(padded(parts.month, 2))-\(padded(parts.day, 2))T"
            + "\(padded(parts.hour, 2)):\(padded(parts.minute, 2)):\(padded(parts.second, 2))."
            + "\(padded(Int(milliseconds % 1000 + (milliseconds < 0 ? 1000 : 0)), 3))Z"
    }

    /// Local date and time to the minute, for tables.
    public var local: String {
        let parts = broken(localtime_r)
        return "\(padded(parts.year, 4))-\(padded(parts.month, 2))-\(padded(parts.day, 2)) "
            + "\(padded(parts.hour, 2)):\(padded(parts.minute, 2))"
    }

    /// Local date and time to the second, for logs that last.
    var localSeconds: String { "\(local):\(padded(broken(localtime_r).second, 2))" }

    /// Local time of day to the second, for lines that follow one another.
    public var clock: String {
        let parts = broken(localtime_r)
        return "\(padded(parts.hour, 2)):\(padded(parts.minute, 2)):\(padded(parts.second, 2))"
    }

    private typealias Parts = (year: Int, month: Int, day: Int, hour: Int, minute: Int, second: Int)

    private var utc: Parts { broken(gmtime_r) }

    private func broken(
        _ convert: (UnsafePointer<time_t>, UnsafeMutablePointer<tm>) -> UnsafeMutablePointer<tm>?
    ) -> Parts {
        var seconds = time_t(milliseconds.quotientRoundedDown(by: 1000))
        var parts = tm()
        _ = convert(&seconds, &parts)
        return (
            Int(parts.tm_year) + 1900, Int(parts.tm_mon) + 1, Int(parts.tm_mday), Int(parts.tm_hour),
            Int(parts.tm_min), Int(parts.tm_sec)
        )
    }
}

extension Int64 {
    fileprivate func quotientRoundedDown(by divisor: Int64) -> Int64 {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}

func padded(_ number: Int, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
}
