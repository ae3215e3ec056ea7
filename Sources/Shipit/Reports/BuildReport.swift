/// What a build's tests or its coverage came to, by one group of the buildspec's reports.
public struct BuildReport: Hashable, Sendable, CustomStringConvertible {
    public let name: String
    /// AWS's word for it.
    public let format: String
    /// How many files were understood.
    public let files: Int
    public let totals: ReportTotals

    public var description: String { "report \(name) (\(format), \(files) file\(files == 1 ? "" : "s")): \(totals)" }
}

/// Sums of a report; what its format does not have is nil.
public struct ReportTotals: Hashable, Sendable, CustomStringConvertible {
    public internal(set) var tests: Int?
    public internal(set) var passed: Int?
    public internal(set) var failed: Int?
    public internal(set) var errored: Int?
    public internal(set) var skipped: Int?
    /// In seconds.
    public internal(set) var duration: Double?
    public internal(set) var lines: Int?
    public internal(set) var linesCovered: Int?
    public internal(set) var branches: Int?
    public internal(set) var branchesCovered: Int?

    enum Outcome: Hashable {
        case passed, failed, errored, skipped
    }

    init() {}

    /// No test yet, and none of coverage.
    static var ofTests: ReportTotals {
        var totals = ReportTotals()
        (totals.tests, totals.passed, totals.failed, totals.errored, totals.skipped) = (0, 0, 0, 0, 0)
        totals.duration = 0
        return totals
    }

    mutating func count(_ outcome: Outcome, taking seconds: Double) {
        tests = sum(tests, 1)
        duration = (duration ?? 0) + (seconds.isFinite && seconds >= 0 && seconds < 1e9 ? seconds : 0)
        switch outcome {
        case .passed: passed = sum(passed, 1)
        case .failed: failed = sum(failed, 1)
        case .errored: errored = sum(errored, 1)
        case .skipped: skipped = sum(skipped, 1)
        }
    }

    /// More of the same, from another file.
    mutating func add(_ other: ReportTotals) {
        tests = sum(tests, other.tests)
        passed = sum(passed, other.passed)
        failed = sum(failed, other.failed)
        errored = sum(errored, other.errored)
        skipped = sum(skipped, other.skipped)
        duration = other.duration.map { (duration ?? 0) + $0 } ?? duration
        lines = sum(lines, other.lines)
        linesCovered = sum(linesCovered, other.linesCovered)
        branches = sum(branches, other.branches)
        branchesCovered = sum(branchesCovered, other.branchesCovered)
    }

    /// Files say what they like: a sum that is too large stays where it is.
    private func sum(_ one: Int?, _ other: Int?) -> Int? {
        guard let other else { return one }
        let (sum, overflows) = (one ?? 0).addingReportingOverflow(other)
        return overflows ? one : sum
    }

    public var description: String {
        var parts: [String] = []
        if let tests {
            parts.append("\(tests) test\(tests == 1 ? "" : "s")")
            for (count, word) in [(passed, "passed"), (failed, "failed"), (errored, "errored"), (skipped, "skipped")] {
                if let count, count > 0 { parts.append("\(count) \(word)") }
            }
            if let duration, duration > 0 { parts.append(Duration.seconds(duration).spoken) }
        }
        if let lines { parts.append("lines \(Self.share(linesCovered ?? 0, of: lines))") }
        if let branches, branches > 0 { parts.append("branches \(Self.share(branchesCovered ?? 0, of: branches))") }
        return parts.joined(separator: ", ")
    }

    private static func share(_ part: Int, of whole: Int) -> String {
        guard whole > 0 else { return "none" }
        let tenths = Int((Double(part) / Double(whole) * 1000).rounded(.down))
        return "\(tenths / 10).\(tenths % 10) % (\(part) of \(whole))"
    }
}
