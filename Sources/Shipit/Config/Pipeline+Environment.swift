/// One environment of a policy.
extension YAMLReader {
    func environment(
        _ node: Node, isFirst: Bool, enteredBy triggers: Set<String>
    ) -> (EnvironmentPolicy, [(path: String, node: Node)]) {
        let keys = mapping(
            node, of: "an environment",
            keys: [
                "name", "targets", "promotion", "layout", "shared", "keep", "health", "on_failure", "runas",
                "hook_timeout", "spare", "file_exists_behavior", "ignore_application_stop_failures", "view",
                "approvals", "soak", "window", "freeze", "retry", "requires",
            ])
        var environment = EnvironmentPolicy(name: "", targets: [])
        if let node = keys["name"] {
            environment.name = appName(node, of: "name") ?? ""
            if environment.name == "build" { error(node, "\"build\" is the name of the build, expected another name") }
            if ["all", "notify"].contains(environment.name) {
                error(node, "\"\(environment.name)\" is a name of shipit's own, expected another name")
            }
        } else {
            error(node, "an environment has no name, expected name: staging or the like")
        }
        var places: [(path: String, node: Node)] = []
        if let node = keys["targets"] {
            places = targets(node)
            environment.targets = places.map(\.path)
        } else {
            error(node, "an environment has no targets, expected targets: [/srv/app/staging]")
        }
        if let node = keys["promotion"], let word = choice(node, of: "promotion", EnvironmentPolicy.Promotion.self) {
            environment.promotion = word
            if isFirst {
                error(node, "the first environment takes every push, expected promotion on a later environment only")
            }
        }
        // What a trigger leads to is no step on the way of the others, unless it says so.
        if keys["promotion"] == nil, !isFirst, triggers.contains(environment.name) { environment.promotion = .none }
        if let node = keys["layout"], let word = choice(node, of: "layout", EnvironmentPolicy.Layout.self) {
            environment.layout = word
        }
        checkLayout(environment.layout, keys, places)
        if let node = keys["shared"] { environment.shared = shared(node) }
        if let node = keys["requires"] { environment.requires = variableNames(node, of: "requires") }
        if let node = keys["keep"], let number = number(node, of: "keep", in: 0...1000) { environment.keep = number }
        if let node = keys["spare"], let isOn = flag(node, of: "spare") { environment.spare = isOn }
        if let node = keys["health"] { environment.health = health(node) }
        if let node = keys["on_failure"], let word = choice(node, of: "on_failure", EnvironmentPolicy.OnFailure.self) {
            environment.onFailure = word
        }
        if let node = keys["runas"] { (environment.runas, environment.accounts) = runas(node) }
        if let node = keys["ignore_application_stop_failures"],
            let isOn = flag(node, of: "ignore_application_stop_failures")
        {
            environment.ignoresStopFailures = isOn
        }
        if let node = keys["view"], let isOn = flag(node, of: "view") { environment.hasView = isOn }
        if let node = keys["file_exists_behavior"],
            let word = choice(node, of: "file_exists_behavior", Appspec.FileExistsBehavior.self)
        {
            environment.fileExistsBehavior = word
        }
        if let node = keys["hook_timeout"], let limit = duration(node, of: "hook_timeout") {
            environment.hookTimeout = limit
        }
        readConditions(keys, of: &environment, isFirst: isFirst)
        return (environment, places)
    }

    /// What a deployment waits for.
    private func readConditions(_ keys: [String: Node], of environment: inout EnvironmentPolicy, isFirst: Bool) {
        if let node = keys["approvals"] { environment.approvals = approvals(node) }
        if let node = keys["soak"] {
            environment.soak = duration(node, of: "soak")
            if isFirst { error(node, "soak is the time in the environment before, and there is none before the first") }
        }
        if let node = keys["window"] { environment.windows = windows(node) }
        if let node = keys["freeze"] { environment.freezes = freezes(node) }
        if let node = keys["retry"], let times = number(node, of: "retry", in: 0...10) { environment.retry = times }
    }

    /// What means nothing in a layout is refused: whoever wrote it expects something of it.
    private func checkLayout(
        _ layout: EnvironmentPolicy.Layout, _ keys: [String: Node], _ targets: [(path: String, node: Node)]
    ) {
        switch layout {
        case .releases:
            if let node = keys["file_exists_behavior"] {
                error(node, "file_exists_behavior is for layout: in-place; in a new release there is nothing yet")
            }
            for target in targets where target.path == "/" {
                error(target.node, "the target / wants layout: in-place, expected that or a folder of its own")
            }
        case .inPlace:
            for key in ["shared", "view"] {
                guard let node = keys[key] else { continue }
                error(
                    node,
                    "\(key) is for layout: releases; in place, what no revision brought stays, and scripts see it where it is"
                )
            }
        }
    }

    /// One name, or this machine's names by those of appspecs; `*` is for scripts that name nobody.
    private func runas(_ node: Node) -> (String?, [String: String]) {
        guard case .mapping = node else { return (text(node, of: "runas"), [:]) }
        var accounts: [String: String] = [:]
        for (_, name, value) in pairs(node, of: "runas") ?? [] {
            if let here = text(value, of: "runas of \(name)") { accounts[name] = here }
        }
        return (accounts.removeValue(forKey: "*"), accounts)
    }

    private func targets(_ node: Node) -> [(path: String, node: Node)] {
        let entries = list(node, of: "targets")
        if entries.isEmpty { error(node, "targets wants at least one folder") }
        return entries.compactMap { entry in
            var place = entry
            if case .mapping = entry {
                let keys = mapping(entry, of: "a target", keys: ["path"], later: ["host"])
                guard let path = keys["path"] else {
                    error(entry, "a target wants path: and a folder")
                    return nil
                }
                place = path
            }
            return absolutePath(place, of: "a target").map { ($0, place) }
        }
    }

    private func shared(_ node: Node) -> [SharedPath] {
        var paths: [SharedPath] = []
        for entry in list(node, of: "shared") {
            guard let written = relativePath(entry, of: "an entry of shared") else { continue }
            let path = SharedPath(path: written.normalisedPath, isFolder: written.hasSuffix("/"))
            if let other = paths.first(where: { path.path.isNested(with: $0.path) }) {
                error(entry, "the shared \(written) and \(other.written) overlap, expected separate names")
            }
            paths.append(path)
        }
        return paths
    }

    private func health(_ node: Node) -> HealthCheck? {
        let keys = mapping(node, of: "health", keys: ["url", "command", "within"])
        let within = keys["within"].flatMap { duration($0, of: "within") } ?? .seconds(30)
        switch (keys["url"], keys["command"]) {
        case (let node?, nil):
            guard let url = text(node, of: "url") else { return nil }
            guard HTTPProbe(url: url) != nil else {
                let hint = url.hasPrefix("https:") ? "; for https use command: [curl, -fsS, \"\(url)\"]" : ""
                error(node, "url wants http://HOST[:PORT]/PATH, found \"\(url)\"\(hint)")
                return nil
            }
            return HealthCheck(probe: .url(url), within: within.inSeconds)
        case (nil, let node?):
            let words = texts(node, of: "command")
            if words.isEmpty { error(node, "command wants a list of words, such as [curl, -f, http://localhost/]") }
            return HealthCheck(probe: .command(words), within: within.inSeconds)
        default:
            error(node, "health wants either url: or command:")
            return nil
        }
    }
}
