/// What one post-receive call told us, exactly as git and the pusher's environment said it.
///
/// It is a claim, not a fact: the ledger decides what the references are, and who may be believed.
public struct Push: Hashable, Sendable {
    /// The absolute real path of the git directory.
    public var repository: [UInt8]
    /// Wall time since 1970, for people.
    public var receivedAtNanoseconds: Int64
    /// Nanoseconds of `CLOCK_BOOTTIME`, which order two pushes of one boot.
    public var sequence: Int64
    public var claims: [Claim]
    public var options: [[UInt8]]
    public var updates: [Update]

    public init(
        repository: [UInt8], receivedAtNanoseconds: Int64, sequence: Int64, claims: [Claim] = [],
        options: [[UInt8]] = [], updates: [Update] = []
    ) {
        self.repository = repository
        self.receivedAtNanoseconds = receivedAtNanoseconds
        self.sequence = sequence
        self.claims = claims
        self.options = options
        self.updates = updates
    }
}
