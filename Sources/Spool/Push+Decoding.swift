extension Push {
    /// Reads what `encoded()` wrote; unknown records are skipped, since the hook may be newer than its reader.
    public init(decoding bytes: [UInt8]) throws(SpoolError) {
        var reader = try RecordReader(bytes)
        var repository: [UInt8]?
        var receivedAt: Int64?
        var sequence: Int64?
        var claims: [Claim] = []
        var options: [[UInt8]] = []
        var updates: [Update] = []
        while let record = try reader.next() {
            switch record.key {
            case "repository": try record.set(&repository, record.path())
            case "received-at": try record.set(&receivedAt, record.integer())
            case "sequence": try record.set(&sequence, record.integer())
            case "claim": try record.append(record.claim(), to: &claims, atMost: Self.maximumClaims)
            case "option": try record.append(record.option(), to: &options, atMost: Self.maximumOptions)
            case "update": updates.append(try record.update())
            default: continue
            }
        }
        guard let repository else { throw .missing(key: "repository") }
        guard let receivedAt else { throw .missing(key: "received-at") }
        guard let sequence else { throw .missing(key: "sequence") }
        self.init(
            repository: repository, receivedAtNanoseconds: receivedAt, sequence: sequence, claims: claims,
            options: options, updates: updates)
    }
}
