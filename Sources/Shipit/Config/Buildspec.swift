import Yams

/// How a revision builds itself: CodeBuild's buildspec.yml, version 0.2 (AWS reference 3.1).
public struct Buildspec: Hashable, Sendable {
    public enum PhaseName: String, Hashable, Sendable, CaseIterable {
        case install, preBuild = "pre_build", build, postBuild = "post_build"
    }

    public struct Phase: Hashable, Sendable {
        public var commands: [String] = []
        public var finally: [String] = []
    }

    public struct Artifacts: Hashable, Sendable {
        public var files: [Glob]
        /// Relative to the source; nil for the source itself.
        public var baseDirectory: String?
        public var excludePaths: [Glob] = []
        public var discardPaths = false
    }

    public var variables: [String: String] = [:]
    public var phases: [PhaseName: Phase] = [:]
    /// Nil when the file has no artifacts section: then the whole workspace after the build is packed.
    public var artifacts: Artifacts?
    public var cache: Cache?

    public static func parse(_ bytes: [UInt8], file: String) throws(Diagnostics) -> (Buildspec, [Diagnostic]) {
        let reader = YAMLReader(file: file)
        guard let root = try reader.compose(bytes) else {
            throw Diagnostics([
                Diagnostic(.error, file: file, line: 1, column: 1, "the file is empty, expected version: 0.2")
            ])
        }
        let buildspec = Buildspec(root, reader)
        return (buildspec, try reader.finish())
    }

    private init(_ root: Node, _ reader: YAMLReader) {
        let keys = reader.mapping(
            root, of: "the buildspec", keys: ["version", "env", "phases", "artifacts", "cache"],
            later: ["run-as", "proxy", "batch", "reports"])
        if let node = keys["version"] {
            if let version = reader.text(node, of: "version"), Double(version) != 0.2 {
                reader.error(node, "version \(version) is not supported yet, expected 0.2")
            }
        } else {
            reader.error(root, "\"version\" is missing, expected version: 0.2")
        }
        if let node = keys["env"], !reader.isNull(node) { variables = reader.buildVariables(node) }
        if let node = keys["phases"] {
            phases = reader.phases(node)
        } else {
            reader.error(root, "\"phases\" is missing, expected phases with build: or others")
        }
        if let node = keys["artifacts"], !reader.isNull(node) { artifacts = reader.artifacts(node) }
        if let node = keys["cache"], !reader.isNull(node) { cache = reader.cache(node) }
    }
}

extension YAMLReader {
    fileprivate func buildVariables(_ node: Node) -> [String: String] {
        let keys = mapping(
            node, of: "env", keys: ["variables"],
            later: ["shell", "parameter-store", "secrets-manager", "exported-variables", "git-credential-helper"])
        guard let node = keys["variables"], !isNull(node), let entries = pairs(node, of: "variables") else {
            return [:]
        }
        var variables: [String: String] = [:]
        for (key, name, value) in entries {
            guard EnvironmentFile.isName(name) else {
                error(key, "\"\(name)\" is not the name of a variable, expected letters, digits and _")
                continue
            }
            guard case .scalar(let scalar) = value else {
                error(value, "the variable \(name) wants text")
                continue
            }
            variables[name] = isNull(value) ? "" : scalar.string
        }
        return variables
    }

    fileprivate func phases(_ node: Node) -> [Buildspec.PhaseName: Buildspec.Phase] {
        let names = Buildspec.PhaseName.allCases
        let keys = mapping(node, of: "phases", keys: names.map(\.rawValue))
        var phases: [Buildspec.PhaseName: Buildspec.Phase] = [:]
        for name in names {
            guard let node = keys[name.rawValue], !isNull(node) else { continue }
            let parts = mapping(
                node, of: name.rawValue, keys: ["commands", "finally"],
                later: ["run-as", "on-failure", "runtime-versions"])
            if parts["commands"] == nil, name != .install {
                error(node, "the phase \(name.rawValue) has no commands")
            }
            phases[name] = Buildspec.Phase(
                commands: parts["commands"].map { commands($0, of: "commands") } ?? [],
                finally: parts["finally"].map { commands($0, of: "finally") } ?? [])
        }
        return phases
    }

    private func commands(_ node: Node, of what: String) -> [String] {
        isNull(node) ? [] : texts(node, of: what)
    }

    fileprivate func artifacts(_ node: Node) -> Buildspec.Artifacts? {
        let keys = mapping(
            node, of: "artifacts", keys: ["files", "base-directory", "exclude-paths", "discard-paths"],
            later: ["name", "enable-symlinks", "s3-prefix", "secondary-artifacts"])
        guard let files = keys["files"] else {
            error(node, "artifacts has no files, expected a list such as - '**/*'")
            return nil
        }
        var artifacts = Buildspec.Artifacts(files: texts(files, of: "files").map { Glob($0.withoutDotSlash) })
        if artifacts.files.isEmpty { error(files, "files wants at least one name or glob") }
        if let node = keys["base-directory"], let path = text(node, of: "base-directory") {
            let clean = path.withoutDotSlash.normalisedPath
            if clean.hasPrefix("/") || clean.split(separator: "/").contains("..") {
                error(node, "base-directory wants a folder inside the source, found \"\(path)\"")
            } else if clean.contains("*") {
                error(node, "a base-directory with * is not supported yet")
            }
            artifacts.baseDirectory = clean.isEmpty || clean == "." ? nil : clean
        }
        if let node = keys["exclude-paths"], !isNull(node) {
            artifacts.excludePaths = texts(node, of: "exclude-paths").map { Glob($0.withoutDotSlash) }
        }
        if let node = keys["discard-paths"], let flag = flag(node, of: "discard-paths") {
            artifacts.discardPaths = flag
        }
        return artifacts
    }
}

extension String {
    fileprivate var withoutDotSlash: String {
        var rest = self[...]
        while rest.hasPrefix("./") { rest = rest.dropFirst(2) }
        return String(rest)
    }
}
