/// What an environment asks for before anything goes there.
public struct ApprovalPolicy: Hashable, Sendable {
    /// Of as many different people.
    public var needed: Int
    /// Who may approve; empty for whoever `allow: approve:` lets.
    public var by: [Allowance.Member] = []
    /// What an author approves counts, but never alone.
    public var neverAuthorAlone = false
    public var expires: Duration = .seconds(86_400)
    /// An allowed-signers file (ssh-keygen(1), "ALLOWED SIGNERS"): approvals must be ssh signatures.
    public var signers: String?
}

/// A time in which nothing goes to an environment.
public struct Freeze: Hashable, Sendable {
    public var from: Timestamp
    public var until: Timestamp
    public var reason: String
}

extension YAMLReader {
    /// `approvals: 2`, or a mapping.
    func approvals(_ node: Node) -> ApprovalPolicy? {
        guard case .mapping = node else {
            return number(node, of: "approvals", in: 1...20).map { ApprovalPolicy(needed: $0) }
        }
        let keys = mapping(
            node, of: "approvals", keys: ["needed", "by", "never_author_alone", "expires", "signers"])
        var rules = ApprovalPolicy(needed: 1)
        if let node = keys["needed"], let count = number(node, of: "needed", in: 1...20) { rules.needed = count }
        if let node = keys["by"] {
            rules.by = members(node, of: "by")
            if Set(rules.by).count < rules.needed, rules.by.allSatisfy(\.isOnePerson) {
                error(node, "by names fewer people than the \(rules.needed) that are needed")
            }
        }
        if let node = keys["never_author_alone"], let isOn = flag(node, of: "never_author_alone") {
            rules.neverAuthorAlone = isOn
        }
        if let node = keys["expires"], let limit = duration(node, of: "expires") { rules.expires = limit }
        if let node = keys["signers"] { rules.signers = absolutePath(node, of: "signers") }
        return rules
    }

    /// One window or several, each an expression of cron and a time zone.
    func windows(_ node: Node) -> [CronExpression] {
        let entries: [Node]
        if case .sequence(let sequence) = node { entries = sequence.nodes } else { entries = [node] }
        return entries.compactMap { entry -> CronExpression? in
            let keys = mapping(entry, of: "a window", keys: ["cron", "zone"])
            guard let cron = keys["cron"], let zone = keys["zone"] else {
                error(entry, "a window wants cron: \"* 9-16 * * mon-thu\" and zone: Europe/Berlin")
                return nil
            }
            guard let text = text(cron, of: "cron"), let name = self.text(zone, of: "zone") else { return nil }
            do throws(CronExpression.Fault) {
                let expression = try CronExpression(text, zone: name)
                if expression.isMomentary {
                    warn(cron, "this window is open for single minutes; \"*\" as the minute opens it for whole hours")
                }
                if expression.opening(after: .now) == nil { error(cron, "this window never opens") }
                return expression
            } catch {
                self.error(error.text.hasPrefix("there is no time zone") ? zone : cron, error.text)
                return nil
            }
        }
    }

    func freezes(_ node: Node) -> [Freeze] {
        let entries: [Node]
        if case .sequence(let sequence) = node { entries = sequence.nodes } else { entries = [node] }
        return entries.compactMap { entry -> Freeze? in
            let keys = mapping(entry, of: "a freeze", keys: ["from", "until", "reason"])
            guard let from = keys["from"], let until = keys["until"] else {
                error(entry, "a freeze wants from: 2026-12-20 and until: 2027-01-03")
                return nil
            }
            guard let start = time(from, of: "from"), let end = time(until, of: "until") else { return nil }
            if end <= start { error(until, "until lies before from") }
            let reason = keys["reason"].flatMap { text($0, of: "reason") } ?? "by policy"
            return Freeze(from: start, until: end, reason: visibleLine(reason))
        }
    }

    private func time(_ node: Node, of what: String) -> Timestamp? {
        guard let word = text(node, of: what) else { return nil }
        if let time = Timestamp(parsing: word) { return time }
        error(node, "\(what) wants a date or a time such as 2026-12-20 or 2026-12-20T18:00, found \"\(word)\"")
        return nil
    }
}
