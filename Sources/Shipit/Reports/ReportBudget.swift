/// What all reports of a build together may cost: who builds is waiting, and others are after them.
final class ReportBudget {
    struct Spent: Error, CustomStringConvertible {
        let description: String
    }

    static let bytes = 64 << 20
    static let time = Duration.seconds(30)
    static let names = 1_000_000

    private var bytes: Int
    private var names: Int
    private let time: Duration
    private let deadline: ContinuousClock.Instant
    private let check: () throws -> Void

    /// `check` throws when nobody wants the reports any more.
    init(
        bytes: Int = bytes, names: Int = names, time: Duration = time, check: @escaping () throws -> Void = {}
    ) {
        (self.bytes, self.names, self.time, self.check) = (bytes, names, time, check)
        deadline = .now + time
    }

    /// Counts a name that is looked at, or a file that is read.
    func visit() throws {
        try check()
        guard names > 0 else { throw Spent(description: "the build has too many files to look through for reports") }
        names -= 1
        guard ContinuousClock.now < deadline else {
            throw Spent(description: "the reports of the build took more than \(time.spoken)")
        }
    }

    /// Counts bytes that were read.
    func take(_ count: Int) throws {
        guard count <= bytes else {
            bytes = 0
            throw Spent(description: "the reports of the build have more bytes together than are read")
        }
        bytes -= count
    }
}
