extension YAMLReader {
    func retention(_ node: Node) -> RetentionPolicy {
        var retention = RetentionPolicy()
        let keys = mapping(node, of: "retention", keys: ["artifacts", "logs", "runs"])
        if let node = keys["artifacts"] {
            retention.artifacts = limits(node, of: "artifacts", ["count", "age", "size"])
        }
        if let node = keys["logs"] { retention.logs = limits(node, of: "logs", ["count", "age", "size"]) }
        if let node = keys["runs"] { retention.runs = limits(node, of: "runs", ["count", "age"]) }
        return retention
    }

    /// The limits that stand there, and no others: who writes an age alone does not want a count.
    private func limits(_ node: Node, of what: String, _ names: [String]) -> RetentionLimits {
        let keys = mapping(node, of: what, keys: names)
        if keys.isEmpty, case .mapping(let mapping) = node, mapping.isEmpty {
            error(node, "\(what) wants at least one of \(names.joined(separator: ", "))")
        }
        return RetentionLimits(
            count: keys["count"].flatMap { number($0, of: "count", in: 0...100_000_000) },
            age: keys["age"].flatMap { age($0) }, size: keys["size"].flatMap { size($0) })
    }

    private func age(_ node: Node) -> Duration? {
        guard let word = text(node, of: "age") else { return nil }
        if let age = Duration(text: word, atMost: 36_500) { return age }
        error(node, "age wants a time such as 12h or 90d, found \"\(word)\"")
        return nil
    }

    /// `500M`, `5G`: powers of 1024, as du and df count.
    private func size(_ node: Node) -> Int64? {
        guard let word = text(node, of: "size") else { return nil }
        let shifts: [Character: Int64] = ["K": 10, "M": 20, "G": 30, "T": 40]
        if let shift = word.last.flatMap({ shifts[$0] }), let number = Int64(word.dropLast()), number >= 0,
            number <= (1 << 60) >> shift
        {
            return number << shift
        }
        error(node, "size wants a number with K, M, G or T, such as 500M or 5G, found \"\(word)\"")
        return nil
    }
}
