/// What whoever starts a run asks of it: where it enters, how far it goes, and what it finds in its environment.
public struct Course: Hashable, Sendable {
    /// The environment where it enters the pipeline; nil for the first one.
    public var entry: String?
    /// The environment up to which whoever starts it promotes it.
    public var goal: String?
    public var reason: String?
    /// For builds and hook scripts; no secrets.
    public var variables: [String: String] = [:]

    public init(entry: String? = nil, goal: String? = nil, reason: String? = nil, variables: [String: String] = [:]) {
        self.entry = entry
        self.goal = goal
        self.reason = reason
        self.variables = variables
    }
}

extension Course {
    /// Finds the way: `entry` is the trigger's, `to` and `promotes` are what a person asks for.
    ///
    /// An environment of the chain is reached from the entry step by step; one outside it is entered.
    init(
        _ pipeline: Pipeline, entry: String? = nil, to: String?, promotes: Bool = false, reason: String?,
        variables: [String: String]
    ) throws(ShipitError) {
        let chain = pipeline.chain.map(\.name)
        let first = chain.first
        self.init(entry: entry == first ? nil : entry, reason: reason, variables: variables)
        if promotes {
            let entry = self.entry ?? first ?? ""
            guard let next = pipeline.after(entry) else {
                throw ShipitError(.usage, "no environment comes after \(entry), so there is nothing to promote to")
            }
            goal = next.name
        }
        guard let to else { return }
        guard pipeline.environment(to) != nil else {
            let names = pipeline.environments.map(\.name)
            let meant = suggestion(for: to, among: names).map { "did you mean \($0)?" }
            throw ShipitError(
                .usage, "\(pipeline.app) has no environment \(visibleLine(to))",
                hint: meant ?? "the environments are \(names.joined(separator: ", "))")
        }
        guard let goal = chain.firstIndex(of: to) else {
            self.entry = to
            return
        }
        // A trigger's entry stays, unless it lies beyond where the person wants to go.
        let start = self.entry.flatMap { chain.firstIndex(of: $0) }
        if start.map({ $0 > goal }) ?? true { self.entry = nil }
        if goal > (self.entry == nil ? 0 : start ?? 0) { self.goal = to }
    }

    /// The environments into which the person promotes it.
    func promotions(_ pipeline: Pipeline) -> [String] {
        let chain = pipeline.chain.map(\.name)
        guard let goal, let end = chain.firstIndex(of: goal) else { return [] }
        let start = entry.flatMap { chain.firstIndex(of: $0) } ?? 0
        return start < end ? Array(chain[(start + 1)...end]) : []
    }
}

extension Course {
    /// What `shipit start` was asked for, when the person may have it.
    public init(
        asking app: App, _ installation: Installation, to: String?, reason: String?, variables words: [String]
    ) throws {
        var variables: [String: String] = [:]
        for word in words { try RunVariables.add(word, to: &variables) }
        try self.init(
            app.pipeline, to: to, reason: reason.map { visibleLine($0) }, variables: variables)
        for (action, environment) in [(.start, nil)] + actions(app.pipeline, to: to) {
            try app.pipeline.allow.check(action, in: environment, person: installation.person)
        }
        try installation.checkVariables(variables, of: app)
    }
}

/// Variables that people give to a run.
enum RunVariables {
    static let countLimit = 64
    static let sizeLimit = 4096

    /// Reads `NAME=VALUE`; says what is wrong with it.
    static func parse(_ text: String) throws(ShipitError) -> (name: String, value: String) {
        guard let equals = text.firstIndex(of: "="), EnvironmentFile.isName(String(text[..<equals])) else {
            throw ShipitError(.usage, "var wants NAME=VALUE, found \"\(visibleLine(text.prefix(60)))\"")
        }
        let name = String(text[..<equals]), value = String(text[text.index(after: equals)...])
        guard !isReserved(name) else {
            throw ShipitError(.usage, "the variable \(name) belongs to the machine or to shipit, expected another name")
        }
        guard value.utf8.count <= sizeLimit, !value.utf8.contains(0) else {
            throw ShipitError(.usage, "the value of \(name) has more than \(sizeLimit) bytes, or a NUL")
        }
        return (name, value)
    }

    /// Adds one; a name stands once.
    static func add(_ text: String, to variables: inout [String: String]) throws(ShipitError) {
        let (name, value) = try parse(text)
        guard variables[name] == nil else { throw ShipitError(.usage, "the variable \(name) is given twice") }
        guard variables.count < countLimit else {
            throw ShipitError(.usage, "there are more than \(countLimit) variables")
        }
        variables[name] = value
    }

    /// What would change how programs are found, loaded or read, and what shipit and AWS say themselves.
    private static func isReserved(_ name: String) -> Bool {
        let names: Set = [
            "PATH", "HOME", "SHELL", "USER", "LOGNAME", "TMPDIR", "PWD", "OLDPWD", "IFS", "ENV", "BASH_ENV", "BASHOPTS",
            "SHELLOPTS", "PS4", "PROMPT_COMMAND", "CDPATH", "GLOBIGNORE", "CI", "SOURCE_DATE_EPOCH", "PERL5OPT",
            "PERL5LIB", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "RUBYOPT", "RUBYLIB", "NODE_OPTIONS",
            "JAVA_TOOL_OPTIONS", "APPLICATION_NAME", "DEPLOYMENT_ID", "DEPLOYMENT_GROUP_NAME", "DEPLOYMENT_GROUP_ID",
            "LIFECYCLE_EVENT",
        ]
        return names.contains(name)
            || ["LD_", "SHIPIT_", "CODEBUILD_", "BASH_FUNC_", "GIT_"].contains { name.hasPrefix($0) }
    }
}

extension Installation {
    /// What the server sets for an app, a push or a start does not change.
    func checkVariables(_ variables: [String: String], of app: App) throws {
        guard !variables.isEmpty else { return }
        for place in [Pipeline.buildName, "all"] + app.pipeline.environments.map(\.name) {
            for entry in try environmentFile(app.name, place).entries where variables[entry.name] != nil {
                throw ShipitError(
                    .usage, "the variable \(entry.name) is set for \(place) of \(app.name) by the server",
                    hint: "shipit env unset \(place) \(entry.name), or another name")
            }
        }
    }
}
