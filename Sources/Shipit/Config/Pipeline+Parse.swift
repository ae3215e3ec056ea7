extension Pipeline {
    /// Reads a policy strictly: unknown keys, wrong types and impossible values are all reported at once.
    public static func parse(_ bytes: [UInt8], file: String) throws(Diagnostics) -> (
        pipeline: Pipeline, warnings: [Diagnostic]
    ) {
        let reader = YAMLReader(file: file)
        guard let root = try reader.compose(bytes) else {
            throw Diagnostics([
                Diagnostic(.error, file: file, line: 1, column: 1, "the file is empty, expected a policy")
            ])
        }
        let pipeline = Pipeline(root, reader)
        return (pipeline, try reader.finish())
    }

    private init(_ root: Node, _ reader: YAMLReader) {
        let keys = reader.mapping(
            root, of: "pipeline.yml",
            keys: [
                "app", "repository", "fetch", "triggers", "mode", "supersede_waiting", "push", "foreign_options",
                "allow",
                "build", "retention", "migrations", "environments", "secrets", "notify",
            ])
        func missing(_ key: String, _ what: String) {
            if keys[key] == nil { reader.error(root, "\"\(key)\" is missing, expected \(what)") }
        }
        missing("app", "the app's name")
        missing("repository", "the path of a bare git repository, or the URL of one elsewhere")
        missing("environments", "a list of environments, each with name and targets")

        app = keys["app"].flatMap { reader.appName($0, of: "app") } ?? ""
        // refs/shipit/keep/ is where pushed tips are kept from git gc.
        // And refs/shipit/notes/ has what was deployed.
        if ["keep", "notes"].contains(app) {
            reader.error(keys["app"], "\"\(app)\" is a name of shipit's own, expected another name")
        }
        repository = keys["repository"].flatMap { reader.repository($0) } ?? ""
        if let node = keys["fetch"],
            let interval = reader.fetchInterval(
                node, isRemote: repository.isEmpty || RemoteRepository.isRemote(repository))
        {
            fetchInterval = interval
        }
        let entries = keys["triggers"].map { reader.triggers($0) }
        triggers = entries?.triggers ?? [Trigger(.branches, Trigger.Filter([Glob("main")]))]
        if let node = keys["mode"], let value = reader.choice(node, of: "mode", Mode.self) { mode = value }
        if let node = keys["supersede_waiting"], let isOn = reader.flag(node, of: "supersede_waiting") {
            supersedesWaiting = isOn
            if mode != .superseded { reader.error(node, "supersede_waiting is for mode: superseded") }
        }
        if let node = keys["push"], let value = reader.choice(node, of: "push", PushBehaviour.self) { push = value }
        if let node = keys["build"] { build = reader.build(node) }
        if let node = keys["migrations"] { migrations = reader.texts(node, of: "migrations").map { Glob($0) } }
        if let node = keys["retention"] { retention = reader.retention(node) }
        if let node = keys["foreign_options"] { foreignOptions = reader.globs(node, of: "foreign_options") }
        let entered = entries?.targets ?? []
        environments = keys["environments"].map { reader.environments($0, enteredBy: Set(entered.map(\.name))) } ?? []
        for (name, node) in entered { reader.checkEnvironment(name, node, among: environments) }
        if let node = keys["allow"] { allow = reader.allowance(node, environments) }
        if let node = keys["secrets"] { secrets = reader.secretCommands(node) }
        if let node = keys["notify"] { notify = reader.destinations(node) }
        for node in [keys["secrets"], keys["notify"]] {
            reader.checkNames(node, in: environments.map(\.name) + [Pipeline.buildName])
        }
    }
}

extension YAMLReader {
    func appName(_ node: Node, of what: String) -> String? {
        guard let name = text(node, of: what) else { return nil }
        guard Name.isValid(name) else {
            error(node, "\(what) wants a name of a-z, 0-9 and -, that begins with a letter or digit, found \"\(name)\"")
            return nil
        }
        return name
    }

    func absolutePath(_ node: Node, of what: String) -> String? {
        guard let path = text(node, of: what) else { return nil }
        guard path.hasPrefix("/"), !path.split(separator: "/").contains(where: { $0 == ".." || $0 == "." }) else {
            error(node, "\(what) wants an absolute path without . and .., found \"\(path)\"")
            return nil
        }
        return path.normalisedPath
    }

    func relativePath(_ node: Node, of what: String) -> String? {
        guard let path = text(node, of: what) else { return nil }
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        let trimmed = parts.last == "" ? parts.dropLast() : parts[...]
        guard !trimmed.isEmpty, !trimmed.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." }) else {
            error(node, "\(what) wants a path inside the release, found \"\(path)\"")
            return nil
        }
        return path
    }

    fileprivate func build(_ node: Node) -> BuildPolicy {
        var build = BuildPolicy()
        let keys = mapping(
            node, of: "build",
            keys: [
                "buildspec", "timeout", "sandbox", "network", "see", "workspace", "runtime_versions", "retry",
                "at_once", "requires",
            ],
            later: ["limits", "cache"])
        if let node = keys["buildspec"], let path = relativePath(node, of: "buildspec") { build.buildspec = path }
        if let node = keys["timeout"], let limit = duration(node, of: "timeout") { build.timeout = limit }
        if let node = keys["sandbox"], let word = choice(node, of: "sandbox", BuildPolicy.Sandbox.self) {
            build.sandbox = word
        }
        if let node = keys["network"], let flag = flag(node, of: "network") { build.network = flag }
        if let node = keys["workspace"], let word = choice(node, of: "workspace", BuildPolicy.Workspace.self) {
            build.workspace = word
        }
        if let node = keys["runtime_versions"],
            let word = choice(node, of: "runtime_versions", BuildPolicy.RuntimeVersions.self)
        {
            build.runtimeVersions = word
        }
        if let node = keys["retry"], let times = number(node, of: "retry", in: 0...10) { build.retry = times }
        if let node = keys["at_once"], let count = number(node, of: "at_once", in: 1...64) { build.atOnce = count }
        if let node = keys["requires"] { build.requires = variableNames(node, of: "requires") }
        if let node = keys["see"] {
            build.see = list(node, of: "see").compactMap { absolutePath($0, of: "an entry of see") }
            if build.see.contains("/") { error(node, "see wants folders, \"/\" would show everything") }
        }
        return build
    }

    /// What names an environment must name one that there is.
    func checkEnvironment(_ name: String, _ node: Node, among environments: [EnvironmentPolicy]) {
        let names = environments.map(\.name)
        guard !names.contains(name) else { return }
        let meant = suggestion(for: name, among: names).map { ", did you mean \"\($0)\"?" }
        error(
            node, "there is no environment \"\(name)\"\(meant ?? ", expected one of \(names.joined(separator: ", "))")")
    }

    /// `enteredBy`: the environments that triggers lead to.
    fileprivate func environments(_ node: Node, enteredBy triggers: Set<String>) -> [EnvironmentPolicy] {
        let entries = list(node, of: "environments")
        if entries.isEmpty { error(node, "environments wants at least one entry with name and targets") }
        var names: Set<String> = []
        var targets: [(path: String, node: Node)] = []
        return entries.enumerated().map { index, entry in
            let (environment, places) = environment(entry, isFirst: index == 0, enteredBy: triggers)
            if !names.insert(environment.name).inserted, !environment.name.isEmpty {
                error(entry, "the environment \"\(environment.name)\" stands twice")
            }
            for place in places {
                if let other = targets.first(where: { place.path.isNested(with: $0.path) }) {
                    let how = other.path == place.path ? "stands twice" : "and \(other.path) lie inside one another"
                    error(place.node, "the target \(place.path) \(how), expected separate folders")
                }
                targets.append(place)
            }
            return environment
        }
    }
}

/// The names of apps and environments.
public enum Name {
    public static func isValid(_ name: String) -> Bool {
        let bytes = Array(name.utf8)
        guard let first = bytes.first, bytes.count <= 63, isWord(first) else { return false }
        return bytes.allSatisfy { isWord($0) || $0 == UInt8(ascii: "-") }
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}

extension String {
    /// Without doubled slashes and without one at the end.
    var normalisedPath: String {
        let parts = split(separator: "/").joined(separator: "/")
        return hasPrefix("/") ? "/" + parts : parts
    }

    /// One of the two paths is the other, or lies below it.
    func isNested(with other: String) -> Bool {
        self == other || hasPrefix(other + "/") || other.hasPrefix(self + "/")
    }
}
