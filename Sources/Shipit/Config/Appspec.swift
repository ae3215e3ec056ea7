/// How a revision installs itself: CodeDeploy's appspec.yml (AWS reference 1.2).
public struct Appspec: Hashable, Sendable, Codable {
    public struct FileMapping: Hashable, Sendable, Codable {
        /// Relative to the artifact, "" for all of it.
        public var source: String
        /// Always a folder. Relative to the root that is installed to, "" for that itself.
        public var destination: String
    }

    /// What becomes of a file that is where another is to be installed, and that no earlier deployment brought.
    public enum FileExistsBehavior: String, Hashable, Sendable, Codable, CaseIterable {
        case disallow = "DISALLOW"
        case overwrite = "OVERWRITE"
        case retain = "RETAIN"
    }

    public struct Script: Hashable, Sendable, Codable {
        /// Relative to the artifact.
        public var location: String
        /// In seconds.
        public var timeout: Int = 3600
        public var runas: String?
        public var sudo = false

        /// The user that it asks for: sudo alone means root.
        public var wantedUser: String? { runas ?? (sudo ? "root" : nil) }
    }

    public var files: [FileMapping] = []
    /// Nil: as the deployment has it.
    public var fileExistsBehavior: FileExistsBehavior?
    public var permissions: [Permission] = []
    public var hooks: [LifecycleEvent: [Script]] = [:]

    public init() {}

    /// What a folder gets in place of a revision that says nothing.
    static var everything: Appspec {
        var appspec = Appspec()
        appspec.files = [FileMapping(source: "", destination: "")]
        return appspec
    }

    /// The release is the artifact itself: there is nothing to map, and nothing to change of it.
    public var mapsEverything: Bool {
        permissions.isEmpty && (files.isEmpty || files == [FileMapping(source: "", destination: "")])
    }

    /// What a pipeline leaves out, as AWS does without a load balancer (AWS reference 1.7).
    func remarks(file: String) -> [Diagnostic] {
        LifecycleEvent.ofTraffic.filter { hooks[$0] != nil }.map {
            Diagnostic(.warning, file: file, "\($0.rawValue) runs behind a load balancer only and is left out")
        }
    }

    /// With this machine's names for users and groups.
    func naming(_ accounts: [String: String]) -> Appspec {
        guard !accounts.isEmpty else { return self }
        var appspec = self
        func here(_ name: String?) -> String? { name.map { accounts[$0] ?? $0 } }
        for (event, scripts) in hooks {
            appspec.hooks[event] = scripts.map { script in
                var script = script
                script.runas = here(script.wantedUser)
                script.sudo = false
                return script
            }
        }
        for index in permissions.indices {
            appspec.permissions[index].owner = here(permissions[index].owner)
            appspec.permissions[index].group = here(permissions[index].group)
        }
        return appspec
    }

    /// `customEvents`: names that may stand in `hooks` besides AWS's; nil for any.
    public static func parse(
        _ bytes: [UInt8], file: String, customEvents: Set<String>? = []
    ) throws(Diagnostics) -> (Appspec, [Diagnostic]) {
        let reader = YAMLReader(file: file, dialect: .appspec)
        guard let root = try reader.compose(bytes) else {
            throw Diagnostics([
                Diagnostic(
                    .error, file: file, line: 1, column: 1, "the file is empty, expected at least version and os")
            ])
        }
        let appspec = Appspec(root, reader, customEvents)
        return (appspec, try reader.finish())
    }

    private init(_ root: Node, _ reader: YAMLReader, _ customEvents: Set<String>?) {
        let keys = reader.mapping(
            root, of: "the appspec",
            keys: ["version", "os", "files", "file_exists_behavior", "permissions", "hooks"], unknown: .warning)
        if let node = keys["version"] {
            reader.checkVersion(node)
        } else {
            reader.error(root, "\"version\" is missing, expected version: 0.0")
        }
        if let node = keys["os"] {
            if let os = reader.text(node, of: "os"), os != "linux" {
                reader.error(node, "os \(os) is not supported, expected linux")
            }
        } else {
            reader.error(root, "\"os\" is missing, expected os: linux")
        }
        if let node = keys["files"], !reader.isNull(node) { files = reader.fileMappings(node) }
        if let node = keys["file_exists_behavior"], !reader.isNull(node) {
            fileExistsBehavior = reader.choice(node, of: "file_exists_behavior", FileExistsBehavior.self)
        }
        if let node = keys["permissions"], !reader.isNull(node) { permissions = reader.permissions(node) }
        if let node = keys["hooks"], !reader.isNull(node) { hooks = reader.hooks(node, customEvents) }
    }
}

extension YAMLReader {
    /// The agent compares numbers, and a quoted version is none.
    fileprivate func checkVersion(_ node: Node) {
        guard let version = text(node, of: "version") else { return }
        if !isPlain(node) || Double(version) != 0 {
            let quoted = isPlain(node) ? version : "\"\(version)\""
            error(node, "version \(quoted) is not valid, expected 0.0")
        }
    }

    fileprivate func fileMappings(_ node: Node) -> [Appspec.FileMapping] {
        list(node, of: "files").compactMap { entry in
            let keys = mapping(
                entry, of: "an entry of files", keys: ["source", "destination"], unknown: .warning,
                hints: ["overwrite": "file_exists_behavior: OVERWRITE at the top does it for all files"])
            if keys["source"] == nil { error(entry, "an entry of files has no source") }
            if keys["destination"] == nil { error(entry, "an entry of files has no destination") }
            let source = keys["source"].flatMap { inside($0, of: "source") }
            let destination = keys["destination"].flatMap { place($0, of: "destination") }
            guard let source, let destination else { return nil }
            return Appspec.FileMapping(source: source, destination: destination)
        }
    }

    /// A path whose root is the artifact's, never above it.
    func inside(_ node: Node, of what: String) -> String? {
        guard let path = text(node, of: what) else { return nil }
        guard !path.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) else {
            error(node, "\(what) has a control character such as a line end in it")
            return nil
        }
        let parts = path.split(separator: "/").filter { $0 != "." }
        guard !parts.contains("..") else {
            error(node, "\(what) must not climb with .., found \"\(path)\"")
            return nil
        }
        return parts.joined(separator: "/")
    }

    /// A path on the machine, of which nothing is expanded.
    func place(_ node: Node, of what: String) -> String? {
        if let path = text(node, of: what), path == "~" || path.hasPrefix("~/") {
            error(node, "\(what) is not expanded, so \"\(path)\" would be a folder named ~; write the whole path")
            return nil
        }
        return inside(node, of: what)
    }
}
