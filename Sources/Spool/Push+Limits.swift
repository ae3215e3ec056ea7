extension Push {
    /// The largest spool file that is written or read.
    public static let maximumEncodedSize = 64 << 20
    public static let maximumOptions = 64
    public static let maximumOptionSize = 4096
    public static let maximumClaims = 64
    public static let maximumClaimSize = 1024
}
