/// How much of what nothing needs any more an app keeps.
public struct RetentionPolicy: Hashable, Sendable {
    private enum Kind: Hashable { case artifacts, logs, runs }

    private var limits: [Kind: RetentionLimits] = [
        .artifacts: RetentionLimits(count: 10), .logs: RetentionLimits(count: 500),
    ]

    /// Tarballs besides those that releases and open runs need.
    public var artifacts: RetentionLimits {
        get { limits[.artifacts] ?? RetentionLimits() }
        set { limits[.artifacts] = newValue }
    }

    /// Logs of runs; those of open runs stay in any case.
    public var logs: RetentionLimits {
        get { limits[.logs] ?? RetentionLimits() }
        set { limits[.logs] = newValue }
    }

    /// Rows of the ledger. None go unless the policy says so: a run takes a few kilobytes, and history is what people
    /// look for when something went wrong long ago.
    public var runs: RetentionLimits {
        get { limits[.runs] ?? RetentionLimits() }
        set { limits[.runs] = newValue }
    }
}

/// What exceeds any of the limits goes, oldest first; without a limit nothing does.
public struct RetentionLimits: Hashable, Sendable {
    public var count: Int?
    public var age: Duration?
    /// In bytes.
    public var size: Int64?

    public var isEmpty: Bool { count == nil && age == nil && size == nil }
}

/// Something that retention judges, with the room it takes.
struct Kept: Hashable, Sendable {
    let id: Int64
    let since: Timestamp
    let bytes: Int64
}

extension RetentionLimits {
    /// Which of the oldest must go, when there are so many and they take so many bytes in all.
    func surplus(_ oldest: some Sequence<Kept>, of count: Int, taking bytes: Int64, now: Timestamp) -> [Kept] {
        var (count, bytes) = (count, bytes)
        let oldestAllowed = age.map { now.milliseconds - Int64($0.inSeconds * 1000) } ?? .min
        return Array(
            oldest.prefix { item in
                let goes =
                    self.count.map { count > $0 } ?? false || size.map { bytes > $0 } ?? false
                    || item.since.milliseconds < oldestAllowed
                (count, bytes) = (count - 1, bytes - item.bytes)
                return goes
            })
    }
}
