/// References that ship, and where they enter; the first one that matches decides.
public struct Trigger: Hashable, Sendable {
    /// Names: one of `include`, and none of `exclude`. `exclude` alone means everything else.
    public struct Filter: Hashable, Sendable {
        public var include: [Glob]
        public var exclude: [Glob]

        public init(_ include: [Glob], exclude: [Glob] = []) {
            self.include = include
            self.exclude = exclude
        }

        public func matches(_ name: [UInt8]) -> Bool {
            (include.isEmpty || include.contains { $0.matches(name) }) && !exclude.contains { $0.matches(name) }
        }
    }

    public enum Kind: String, Hashable, Sendable, CaseIterable {
        case branches, tags

        public var prefix: String { self == .branches ? "refs/heads/" : "refs/tags/" }
    }

    public var kind: Kind
    /// By name without `refs/heads/` or `refs/tags/`.
    public var names: Filter
    /// Ships only when one of the changed files is among these; nil: whatever changed.
    public var paths: Filter?
    /// The environment where a run enters; nil for the first.
    public var to: String?

    public init(_ kind: Kind, _ names: Filter, paths: Filter? = nil, to: String? = nil) {
        self.kind = kind
        self.names = names
        self.paths = paths
        self.to = to
    }

    /// Whether it names the reference, whatever its paths say.
    public func names(_ reference: [UInt8]) -> Bool {
        let prefix = kind.prefix.utf8
        return reference.starts(with: prefix) && names.matches(Array(reference.dropFirst(prefix.count)))
    }
}

extension Pipeline {
    /// Whether a reference's moves can ship at all.
    public func ships(_ reference: [UInt8]) -> Bool { triggers.contains { $0.names(reference) } }

    /// What must be said of references to know whether a change of the policy names others.
    var trackedReferences: String {
        triggers.map { trigger in
            let include = trigger.names.include.map(\.pattern), exclude = trigger.names.exclude.map(\.pattern)
            return "\(trigger.kind.rawValue): \(include) except \(exclude)"
        }.joined(separator: "\n")
    }
}

extension YAMLReader {
    /// The triggers, and where each names an environment.
    func triggers(_ node: Node) -> (triggers: [Trigger], targets: [(name: String, node: Node)]) {
        let entries = list(node, of: "triggers")
        if entries.isEmpty { error(node, "triggers wants at least one entry such as - branches: [main]") }
        var targets: [(name: String, node: Node)] = []
        let triggers = entries.compactMap { entry -> Trigger? in
            let keys = mapping(entry, of: "a trigger", keys: ["branches", "tags", "paths", "to"])
            let paths = keys["paths"].map { filter($0, of: "paths") }
            var to: String?
            if let node = keys["to"], let name = appName(node, of: "to") {
                to = name
                targets.append((name, node))
            }
            switch (keys["branches"], keys["tags"]) {
            case (let node?, nil): return Trigger(.branches, filter(node, of: "branches"), paths: paths, to: to)
            case (nil, let node?):
                if let node = keys["paths"] {
                    error(node, "paths is for branches: a tag names a commit, and changes no files by itself")
                }
                return Trigger(.tags, filter(node, of: "tags"), to: to)
            case (_?, let node?):
                error(node, "a trigger wants branches: or tags:, expected two entries for both")
            case (nil, nil):
                error(entry, "a trigger wants branches: or tags:, a list of names or globs")
            }
            return nil
        }
        return (triggers, targets)
    }

    /// A list of patterns, or `include:` and `exclude:`.
    private func filter(_ node: Node, of what: String) -> Trigger.Filter {
        guard case .mapping = node else {
            let names = globs(node, of: what)
            if names.isEmpty { error(node, "\(what) wants at least one name or glob") }
            return Trigger.Filter(names)
        }
        let parts = mapping(node, of: what, keys: ["include", "exclude"])
        if parts.isEmpty { error(node, "\(what) wants a list, or include: and exclude:") }
        return Trigger.Filter(
            parts["include"].map { globs($0, of: "include") } ?? [],
            exclude: parts["exclude"].map { globs($0, of: "exclude") } ?? [])
    }

    func globs(_ node: Node, of what: String) -> [Glob] {
        list(node, of: what).compactMap { entry in
            guard let text = text(entry, of: "an entry of \(what)") else { return nil }
            do throws(GlobFault) {
                return try Glob(filter: text)
            } catch {
                self.error(entry, "the pattern \"\(text.prefix(40))\" \(error.message)")
                return nil
            }
        }
    }
}
