extension Int64 {
    /// A number of bytes as people say it: `812 B`, `2.7 kB`, `35 MB`.
    public var spokenSize: String {
        var amount = Double(self)
        for unit in ["B", "kB", "MB", "GB"] {
            if amount < 1000 || unit == "GB" {
                return amount < 10 && unit != "B"
                    ? "\((amount * 10).rounded() / 10) \(unit)" : "\(Int(amount.rounded())) \(unit)"
            }
            amount /= 1000
        }
        return "\(self) B"
    }
}
