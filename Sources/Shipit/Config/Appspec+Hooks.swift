extension YAMLReader {
    func hooks(_ node: Node, _ customEvents: Set<String>?) -> [LifecycleEvent: [Appspec.Script]] {
        var hooks: [LifecycleEvent: [Appspec.Script]] = [:]
        let names = (LifecycleEvent.ofDeployment + LifecycleEvent.ofTraffic).map(\.rawValue)
        for (key, name, value) in pairs(node, of: "hooks") ?? [] {
            let event = LifecycleEvent(rawValue: name)
            if LifecycleEvent.ofAgent.contains(event) {
                warn(key, "scripts at \(name) are never run, as that is the deployment's own part")
                continue
            }
            guard names.contains(name) || customEvents?.contains(name) ?? true else {
                let meant = suggestion(for: name, among: names).map { ", did you mean \($0)?" }
                error(
                    key,
                    "unknown lifecycle event \(name)\(meant ?? ", expected one of \(names.joined(separator: ", "))")")
                continue
            }
            if isNull(value) { continue }
            let scripts = list(value, of: name).compactMap { script($0, of: name) }
            if !scripts.isEmpty { hooks[event] = scripts }
        }
        return hooks
    }

    private func script(_ node: Node, of event: String) -> Appspec.Script? {
        let keys = mapping(
            node, of: "a script of \(event)", keys: ["location", "timeout", "runas", "sudo"], unknown: .warning)
        guard let place = keys["location"], !isNull(place) else {
            error(node, "a script of \(event) has no location")
            return nil
        }
        guard let location = inside(place, of: "location")?.trimmed else { return nil }
        if location.isEmpty { error(place, "location wants the path of a script") }
        var script = Appspec.Script(location: location)
        if let node = keys["timeout"], !isNull(node), let seconds = seconds(node, of: "timeout") {
            script.timeout = seconds
        }
        if let node = keys["runas"], !isNull(node), let name = text(node, of: "runas")?.trimmed, !name.isEmpty {
            script.runas = name
        }
        if let node = keys["sudo"], !isNull(node), let sudo = flag(node, of: "sudo") { script.sudo = sudo }
        return script
    }

    /// Whole seconds as the agent reads them: "30s" is 30, 10.9 is 10, and YAML's own 010 is 8.
    private func seconds(_ node: Node, of what: String) -> Int? {
        guard let word = text(node, of: what)?.trimmed else { return nil }
        var digits = Substring(word), radix = 10
        if isPlain(node), digits.first == "0", digits.count > 1,
            digits.dropFirst().allSatisfy({ "01234567".contains($0) })
        {
            radix = 8
            warn(node, "\(what) \(word) is an octal number, which is \(Int(word, radix: 8) ?? 0) seconds")
        }
        digits = digits.prefix { $0.isASCII && $0.isNumber }
        if let seconds = Int(digits, radix: radix), seconds > 0 { return min(seconds, 1_000_000_000) }
        error(node, "\(what) wants a number of seconds above 0, found \"\(word)\"")
        return nil
    }
}

extension String {
    var trimmed: String {
        let start = drop { $0.isWhitespace }
        return String(start.reversed().drop { $0.isWhitespace }.reversed())
    }
}
