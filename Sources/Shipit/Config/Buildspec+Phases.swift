extension YAMLReader {
    private static let phaseKeys = ["commands", "finally", "run-as", "on-failure", "runtime-versions"]

    func phases(_ node: Node, into spec: inout Buildspec) {
        let names = Buildspec.PhaseName.allCases
        let keys = mapping(node, of: "phases", keys: names.map(\.rawValue), unknown: .warning)
        for name in names {
            guard let node = value(keys, name.rawValue) else {
                if let node = keys[name.rawValue] { warn(node, "the phase \(name.rawValue) is empty") }
                continue
            }
            let hints = Dictionary(
                uniqueKeysWithValues: (names.map(\.rawValue) + ["artifacts", "cache", "reports"]).map {
                    ($0, "it stands inside of \(name.rawValue), move it out of there to the left")
                }
            ).merging(["steps": "commands: is the list of what to run"]) { $1 }
            let parts = mapping(
                node, of: name.rawValue, keys: Self.phaseKeys, unknown: .warning, hints: hints)
            if let node = value(parts, "runtime-versions") {
                if name == .install {
                    spec.runtimes = runtimes(node)
                } else {
                    warn(node, "runtime-versions has no effect in \(name.rawValue); it belongs to install")
                }
            }
            if parts["commands"] == nil, name != .install {
                warn(node, "the phase \(name.rawValue) has no commands")
            }
            spec.phases[name] = Buildspec.Phase(
                commands: parts["commands"].map { lenientTexts($0, of: "commands") } ?? [],
                finally: parts["finally"].map { lenientTexts($0, of: "finally") } ?? [],
                runAs: value(parts, "run-as").flatMap(user),
                onFailure: value(parts, "on-failure").flatMap(onFailure))
        }
    }

    private func runtimes(_ node: Node) -> [Buildspec.Runtime] {
        guard let entries = pairs(node, of: "runtime-versions") else { return [] }
        return entries.compactMap { _, name, value in
            guard case .scalar(let scalar) = value else {
                error(value, "the version of \(name) wants text such as 18, 3.x or latest")
                return nil
            }
            return Buildspec.Runtime(name: name, version: isNull(value) ? "latest" : scalar.string)
        }
    }

    private func onFailure(_ node: Node) -> Buildspec.OnFailure? {
        guard let word = text(node, of: "on-failure") else { return nil }
        if let found = Buildspec.OnFailure(word) { return found }
        let meant = suggestion(for: word, among: ["ABORT", "CONTINUE", "RETRY"]).map { "; did you mean \($0)?" } ?? ""
        error(
            node,
            "on-failure wants ABORT, CONTINUE, RETRY, RETRY-COUNT (0 to 100), RETRY-REGEX or RETRY-COUNT-REGEX, found \"\(word.prefix(40))\"\(meant)"
        )
        return nil
    }
}

extension Buildspec.OnFailure {
    /// `RETRY-3-timed out.*`: a count up to 100, then a pattern; either may be left out. AWS's examples write Retry too.
    init?(_ text: String) {
        switch text.uppercased() {
        case "ABORT": self = .abort
        case "CONTINUE": self = .continue
        case "RETRY": self = .retry(times: Self.defaultRetries, pattern: nil)
        default:
            guard text.uppercased().hasPrefix("RETRY-") else { return nil }
            let rest = text.dropFirst("RETRY-".count)
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            let after = rest.dropFirst(digits.count)
            if !digits.isEmpty, after.isEmpty || after.first == "-" {
                guard let times = Int(digits), times <= Self.mostRetries else { return nil }
                let pattern = after.dropFirst()
                self = .retry(times: times, pattern: pattern.isEmpty ? nil : String(pattern))
            } else if !rest.isEmpty {
                self = .retry(times: Self.defaultRetries, pattern: String(rest))
            } else {
                return nil
            }
        }
    }
}
