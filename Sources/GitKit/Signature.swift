/// Who made a commit and when they said it was; both are claims of the person who pushed.
public struct Signature: Hashable, Sendable, Codable {
    public let name: String
    public let email: String
    /// Seconds since 1970, possibly in the future or before it; never order by them.
    public let seconds: Int64
    public let offsetMinutes: Int

    public init(name: String, email: String, seconds: Int64, offsetMinutes: Int) {
        self.name = name
        self.email = email
        self.seconds = seconds
        self.offsetMinutes = offsetMinutes
    }
}
