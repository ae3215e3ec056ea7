extension Buildspec {
    /// Several builds of one revision (AWS reference 3.7), in an order in which each comes after those it depends on.
    public struct Batch: Hashable, Sendable {
        public struct Task: Hashable, Sendable {
            public var identifier: String
            /// In the revision; nil for the file that has the batch.
            public var buildspec: String?
            public var variables: [String: String] = [:]
            public var dependsOn: [String] = []
            public var ignoresFailure = false
        }

        /// Nothing more is begun once a task failed.
        public var failsFast = false
        public var tasks: [Task] = []

        /// As at AWS.
        static let mostTasks = 100
    }
}

extension YAMLReader {
    func batch(_ node: Node) -> Buildspec.Batch? {
        let kinds = ["build-graph", "build-list", "build-matrix", "build-fanout"]
        let keys = mapping(node, of: "batch", keys: ["fast-fail"] + kinds, unknown: .warning)
        var batch = Buildspec.Batch()
        if let node = value(keys, "fast-fail") { batch.failsFast = lenientFlag(node, of: "fast-fail") }
        let found = kinds.filter { value(keys, $0) != nil }
        guard found.count == 1, let kind = found.first, let content = value(keys, kind) else {
            error(node, "batch wants one of build-graph, build-list and build-matrix, found \(found.count)")
            return nil
        }
        switch kind {
        case "build-fanout":
            error(
                content,
                "build-fanout is not carried out here: it spreads the tests of one command over machines; expected build-list, or the command itself in phases"
            )
            return nil
        case "build-matrix":
            guard let tasks = matrix(content) else { return nil }
            batch.tasks = tasks
        default: batch.tasks = tasks(content, of: kind, isGraph: kind == "build-graph")
        }
        if batch.tasks.isEmpty { error(content, "\(kind) wants at least one build") }
        if batch.tasks.count > Buildspec.Batch.mostTasks {
            error(content, "\(kind) makes \(batch.tasks.count) builds, at most \(Buildspec.Batch.mostTasks) are done")
        }
        return batch
    }

    // MARK: Lists and graphs

    private func tasks(_ node: Node, of what: String, isGraph: Bool) -> [Buildspec.Batch.Task] {
        var tasks: [Buildspec.Batch.Task] = []
        for node in list(node, of: what) {
            let keys = mapping(
                node, of: "a build of \(what)",
                keys: ["identifier", "buildspec", "env", "ignore-failure", "debug-session"]
                    + (isGraph ? ["depend-on"] : []), unknown: .warning)
            guard let named = value(keys, "identifier"), let identifier = text(named, of: "identifier") else {
                error(node, "a build of \(what) has no identifier")
                continue
            }
            guard identifier.isIdentifier else {
                error(named, "\"\(identifier.prefix(40))\" is no identifier, expected letters, digits, _ and -")
                continue
            }
            if tasks.contains(where: { $0.identifier == identifier }) {
                error(named, "the identifier \(identifier) stands twice")
                continue
            }
            var task = Buildspec.Batch.Task(identifier: identifier)
            task.buildspec = value(keys, "buildspec").flatMap(buildspecPath)
            if let node = value(keys, "env") { task.variables = taskVariables(node) }
            if let node = value(keys, "ignore-failure") {
                task.ignoresFailure = lenientFlag(node, of: "ignore-failure")
            }
            if let node = value(keys, "depend-on") { task.dependsOn = lenientTexts(node, of: "depend-on") }
            tasks.append(task)
        }
        return isGraph ? ordered(tasks, node) : tasks
    }

    /// As in the file, but each after those that it depends on.
    private func ordered(_ tasks: [Buildspec.Batch.Task], _ node: Node) -> [Buildspec.Batch.Task] {
        let names = Set(tasks.map(\.identifier))
        for task in tasks {
            for other in task.dependsOn where !names.contains(other) {
                let meant = suggestion(for: other, among: names.sorted()).map { ", did you mean \($0)?" } ?? ""
                error(node, "\(task.identifier) depends on \(other.prefix(40)), which is no build of the graph\(meant)")
            }
        }
        var (rest, done, order) = (tasks, Set<String>(), [Buildspec.Batch.Task]())
        while let index = rest.firstIndex(where: {
            done.union(Set($0.dependsOn).subtracting(names)).isSuperset(of: $0.dependsOn)
        }) {
            let task = rest.remove(at: index)
            done.insert(task.identifier)
            order.append(task)
        }
        if !rest.isEmpty {
            error(
                node, "the builds \(rest.map(\.identifier).joined(separator: ", ")) depend on one another in a circle")
        }
        return order
    }

    private func taskVariables(_ node: Node) -> [String: String] {
        let keys = mapping(
            node, of: "env", keys: ["variables", "compute-type", "image", "type", "privileged-mode", "fleet"],
            unknown: .warning)
        for name in ["image", "privileged-mode", "fleet"] {
            if let node = value(keys, name) { warn(node, "\(name) has no effect: builds run on this machine") }
        }
        return value(keys, "variables").map { variables($0, of: "variables") } ?? [:]
    }

    private func buildspecPath(_ node: Node) -> String? {
        guard let path = text(node, of: "buildspec") else { return nil }
        guard let inside = path.belowSource.insideSource, !inside.isEmpty, !path.hasPrefix("arn:") else {
            error(node, "buildspec wants a file of the revision, found \"\(path.prefix(60))\"")
            return nil
        }
        return inside
    }

    // MARK: Matrix

    /// The product of all lists below `dynamic`; nil, and said, if that is too much to be made.
    private func matrix(_ node: Node) -> [Buildspec.Batch.Task]? {
        let keys = mapping(node, of: "build-matrix", keys: ["static", "dynamic"], unknown: .warning)
        var base = Buildspec.Batch.Task(identifier: "")
        if let node = value(keys, "static") {
            let keys = mapping(node, of: "static", keys: ["ignore-failure", "env", "debug-session"], unknown: .warning)
            if let node = value(keys, "ignore-failure") {
                base.ignoresFailure = lenientFlag(node, of: "ignore-failure")
            }
            if let node = value(keys, "env") { base.variables = taskVariables(node) }
        }
        guard let node = value(keys, "dynamic") else { return [] }
        let parts = mapping(node, of: "dynamic", keys: ["buildspec", "env"], unknown: .warning)
        var axes: [Axis] = []
        if let node = value(parts, "buildspec") {
            let nodes = node.scalar == nil ? list(node, of: "buildspec") : [node]
            axes.append(Axis(values: nodes.compactMap(buildspecPath)) { $0.buildspec = $1 })
        }
        if let node = value(parts, "env") {
            let keys = mapping(
                node, of: "env", keys: ["variables", "compute-type", "image", "type", "fleet"], unknown: .warning)
            if let node = value(keys, "image") { warn(node, "image has no effect: builds run on this machine") }
            if let node = value(keys, "variables"), let entries = pairs(node, of: "variables") {
                for (key, name, value) in entries {
                    guard EnvironmentFile.isName(name), !name.hasPrefix("CODEBUILD_") else {
                        warn(key, "\"\(name.prefix(40))\" cannot be set: left out")
                        continue
                    }
                    axes.append(Axis(values: lenientTexts(value, of: name)) { $0.variables[name] = $1 })
                }
            }
        }
        axes.removeAll { $0.values.isEmpty }
        let most = Buildspec.Batch.mostTasks
        let count = axes.reduce(1.0) { $0 * Double($1.values.count) }
        guard count <= Double(most) else {
            let counts = axes.map { "\($0.values.count)" }.joined(separator: " × ")
            error(node, "build-matrix makes \(counts) builds, at most \(most) are done")
            return nil
        }
        let tasks = axes.reduce([base]) { tasks, axis in
            tasks.flatMap { task in
                axis.values.map { value in
                    var task = task
                    axis.set(&task, value)
                    return task
                }
            }
        }
        return tasks.enumerated().map { index, task in
            var task = task
            task.identifier = "matrix_\(index + 1)"
            return task
        }
    }

    /// What one list of a matrix varies.
    private struct Axis {
        let values: [String]
        let set: (inout Buildspec.Batch.Task, String) -> Void
    }
}

extension Buildspec.Batch {
    /// Builds whose artifacts would be kept under one name: `a-b`, and the secondary artifact b of a.
    func clash(_ artifacts: (Task) -> Buildspec.Artifacts?) -> String? {
        let names = Set(tasks.map(\.identifier))
        for task in tasks {
            for secondary in artifacts(task)?.secondary ?? [] {
                let name = "\(task.identifier)-\(secondary.identifier)"
                guard names.contains(name) else { continue }
                return
                    "the build \(name) and the secondary artifact \(secondary.identifier) of the build \(task.identifier) are both kept as \(name); rename one of them"
            }
        }
        return nil
    }
}
