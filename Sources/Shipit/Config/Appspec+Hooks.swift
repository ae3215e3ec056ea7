extension YAMLReader {
    func hooks(_ node: Node, _ customEvents: Set<String>?) -> [LifecycleEvent: [Appspec.Script]] {
        var hooks: [LifecycleEvent: [Appspec.Script]] = [:]
        let names = (LifecycleEvent.ofDeployment + LifecycleEvent.ofShipit + LifecycleEvent.ofTraffic).map(\.rawValue)
        for (key, name, value) in pairs(node, of: "hooks") ?? [] {
            let event = LifecycleEvent(rawValue: name)
            if LifecycleEvent.ofAgent.contains(event) {
                warn(
                    key, "scripts at \(name) are never run, as that is the deployment's own part", onAWS: "the same")
                continue
            }
            guard names.contains(name) || customEvents?.contains(name) ?? true else {
                error(
                    key, unknown(name, names),
                    onAWS: "the deployment fails in Install, after the old files were removed")
                continue
            }
            if isNull(value) { continue }
            let scripts = scripts(value, of: name)
            if !scripts.isEmpty { hooks[event] = scripts }
        }
        return hooks
    }

    private func unknown(_ name: String, _ names: [String]) -> String {
        if ["BlockTraffic", "AllowTraffic"].contains(name) {
            return "\(name) is the load balancer's own part, and takes no scripts"
        }
        let meant = suggestion(for: name, among: names).map { ", did you mean \($0)?" }
        return "unknown lifecycle event \(name)\(meant ?? ", expected one of \(names.joined(separator: ", "))")"
    }

    private func scripts(_ node: Node, of event: String) -> [Appspec.Script] {
        if case .mapping(let mapping) = node, !mapping.isEmpty {
            error(node, "\(event) wants a list, found a mapping; write - before each location")
            return []
        }
        return list(node, of: event).compactMap { script($0, of: event) }
    }

    private func script(_ node: Node, of event: String) -> Appspec.Script? {
        if let text = node.scalar?.string, !isNull(node) {
            error(node, "a script of \(event) wants a mapping, found \"\(text.prefix(40))\"; write location: before it")
            return nil
        }
        guard !isNull(node) else {
            error(node, "a script of \(event) has no location")
            return nil
        }
        let isLocation = "location names the script"
        let keys = mapping(
            node, of: "a script of \(event)", keys: ["location", "timeout", "runas", "sudo"], unknown: .warning,
            hints: [
                "script": isLocation, "path": isLocation, "command": isLocation, "name": isLocation,
                "user": "runas names the user", "run_as_user": "runas names the user",
                "args": "a script gets no arguments", "arguments": "a script gets no arguments",
                "interpreter": "the script's first line names it, such as #!/bin/bash",
            ])
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
        if let node = keys["runas"], !isNull(node) {
            if node.scalar?.string.trimmed.isEmpty ?? false {
                warn(
                    node, "runas names nobody, and is left out",
                    onAWS: "an agent before 2.0 fails when it runs the script")
            } else {
                script.runas = text(node, of: "runas")?.trimmed
            }
        }
        if let node = keys["sudo"], !isNull(node) { script.sudo = truth(node, of: "sudo") }
        return script
    }

    /// As Ruby sees it: everything is true but no, false, off and nothing.
    private func truth(_ node: Node, of what: String) -> Bool {
        guard let word = text(node, of: what) else { return false }
        let isFalse = ["no", "false", "off", "n"].contains(word.lowercased())
        if isFalse, isPlain(node) { return false }
        if isFalse || !["yes", "true", "on", "y"].contains(word.lowercased()) {
            warn(node, "\(what) \"\(word)\" means yes, as everything does but no without quotes", onAWS: "the same")
        }
        return true
    }

    /// Whole seconds as the agent reads them: "30s" is 30, 10.9 is 10, and of YAML's own numbers 010 is 8 and 1:30 is 90.
    private func seconds(_ node: Node, of what: String) -> Int? {
        guard let word = text(node, of: what)?.trimmed else { return nil }
        // No timeout is the usual one.
        if isPlain(node), ["no", "false", "off"].contains(word.lowercased()) { return nil }
        let seconds = (isPlain(node) ? yamlNumber(word) : nil) ?? leadingNumber(word)
        guard let seconds, seconds > 0 else {
            error(node, "\(what) wants a number of seconds above 0, found \"\(word)\"")
            return nil
        }
        if Int(word) != seconds, leadingNumber(word) != seconds || !["", "s"].contains(unit(word)) {
            warn(node, "\(what) \(word) is \(seconds) seconds", onAWS: "the same")
        }
        return min(seconds, 1_000_000_000)
    }

    /// What a number is that does not read as it looks.
    private func yamlNumber(_ word: String) -> Int? {
        let parts = word.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) }
        if (2...3).contains(parts.count), parts.dropFirst().allSatisfy({ (0...59).contains($0 ?? -1) }) {
            return parts.reduce(0) { total, part in total.flatMap { total in part.map { total * 60 + $0 } } }
        }
        if word.hasPrefix("0x") { return Int(word.dropFirst(2), radix: 16) }
        if word.hasPrefix("0b") { return Int(word.dropFirst(2), radix: 2) }
        if word.hasPrefix("0"), word.count > 1 { return Int(word, radix: 8) }
        return Int(word.filter { $0 != "," && $0 != "_" })
    }

    /// The digits in front, as Ruby's to_i has them.
    private func leadingNumber(_ word: String) -> Int? {
        let digits = word.hasPrefix("+") ? word.dropFirst() : word[...]
        let number = digits.prefix { "0123456789_".contains($0) }.filter { $0 != "_" }
        return number.isEmpty ? nil : Int(number) ?? Int.max
    }

    private func unit(_ word: String) -> String { String(word.drop { !$0.isLetter }) }
}

extension String {
    var trimmed: String {
        let start = drop { $0.isWhitespace }
        return String(start.reversed().drop { $0.isWhitespace }.reversed())
    }
}
