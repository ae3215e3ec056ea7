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

    /// How it is called at the top of a revision: the first that is there counts (AWS reference 1.1).
    static let names = ["appspec.yml", "appspec.yaml"]

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

    /// What only shipit does with it.
    func additions(file: String) -> [Diagnostic] {
        LifecycleEvent.ofShipit.filter { hooks[$0] != nil }.map {
            Diagnostic(
                .warning, file: file,
                "\($0.rawValue) is shipit's own event: it runs when a person rolls back from here",
                onAWS: "the deployment fails in Install, after the old files were removed")
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
        guard case .mapping = root else {
            _ = reader.pairs(root, of: "the appspec")
            return
        }
        guard !reader.isForOtherPlatform(root) else { return }
        let events = (LifecycleEvent.ofDeployment + LifecycleEvent.ofShipit + LifecycleEvent.ofTraffic).map {
            ($0.rawValue, "it belongs below hooks, indented")
        }
        let ofBuilds = ["phases", "artifacts", "env", "cache"].map { ($0, "it belongs into a buildspec") }
        let ofEntries = [("source", "files"), ("destination", "files"), ("object", "permissions")].map {
            ($0.0, "it belongs below \($0.1), indented")
        }
        let keys = reader.mapping(
            root, of: "the appspec",
            keys: ["version", "os", "files", "file_exists_behavior", "permissions", "hooks"], unknown: .warning,
            hints: Dictionary(uniqueKeysWithValues: events + ofBuilds + ofEntries))
        if let node = keys["version"] {
            reader.checkVersion(node)
        } else {
            reader.error(root, "\"version\" is missing, expected version: 0.0")
        }
        if let node = keys["os"] {
            if let os = reader.text(node, of: "os"), os != "linux" {
                let why = os == "windows" ? "; shipit deploys to Linux machines only" : ""
                reader.error(node, "os \(os) is not supported, expected linux\(why)")
                // What else it says is meant for another machine.
                if os == "windows" { return }
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
