import Yams

/// How a revision installs itself: CodeDeploy's appspec.yml (AWS reference 1.2).
public struct Appspec: Hashable, Sendable, Codable {
    public struct FileMapping: Hashable, Sendable, Codable {
        /// Relative to the artifact, "" for all of it.
        public var source: String
        /// Relative to the release, "" for its root.
        public var destination: String
    }

    public struct Script: Hashable, Sendable, Codable {
        public var location: String
        /// In seconds.
        public var timeout: Int = 3600
        public var runas: String?
    }

    public var files: [FileMapping] = []
    public var hooks: [LifecycleEvent: [Script]] = [:]

    public init() {}

    /// The release is the artifact itself: there is nothing to map.
    public var mapsEverything: Bool {
        files.isEmpty || files == [FileMapping(source: "", destination: "")]
    }

    public static func parse(_ bytes: [UInt8], file: String) throws(Diagnostics) -> (Appspec, [Diagnostic]) {
        let reader = YAMLReader(file: file)
        guard let root = try reader.compose(bytes) else {
            throw Diagnostics([
                Diagnostic(
                    .error, file: file, line: 1, column: 1, "the file is empty, expected at least version and os")
            ])
        }
        let appspec = Appspec(root, reader)
        return (appspec, try reader.finish())
    }

    private init(_ root: Node, _ reader: YAMLReader) {
        let keys = reader.mapping(
            root, of: "the appspec", keys: ["version", "os", "files", "hooks", "file_exists_behavior"],
            later: ["permissions"], unknown: .warning)
        if let node = keys["version"] {
            if let version = reader.text(node, of: "version"), Double(version) != 0 {
                reader.error(node, "version \(version) is not valid, expected 0.0")
            }
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
        if let node = keys["hooks"], !reader.isNull(node) { hooks = reader.hooks(node) }
    }
}

/// AWS's names of the moments in a deployment, in their order (AWS reference 1.7).
public enum LifecycleEvent: String, Hashable, Sendable, Codable, CaseIterable, CodingKeyRepresentable {
    case applicationStop = "ApplicationStop"
    case beforeInstall = "BeforeInstall"
    case afterInstall = "AfterInstall"
    case applicationStart = "ApplicationStart"
    case validateService = "ValidateService"

    /// The name of the server's own hook script: `application-stop`.
    public var fileName: String {
        var name = ""
        for character in rawValue {
            if character.isUppercase, !name.isEmpty { name += "-" }
            name += character.lowercased()
        }
        return name
    }

    /// Events that AWS runs only behind a load balancer.
    static let trafficEvents = [
        "BeforeBlockTraffic", "AfterBlockTraffic", "BeforeAllowTraffic", "AfterAllowTraffic",
    ]
}

extension YAMLReader {
    fileprivate func fileMappings(_ node: Node) -> [Appspec.FileMapping] {
        list(node, of: "files").compactMap { entry in
            let keys = mapping(entry, of: "an entry of files", keys: ["source", "destination"], unknown: .warning)
            guard let source = keys["source"].flatMap({ inside($0, of: "source") }) else {
                if keys["source"] == nil { error(entry, "an entry of files has no source") }
                return nil
            }
            guard let destination = keys["destination"].flatMap({ inside($0, of: "destination") }) else {
                if keys["destination"] == nil { error(entry, "an entry of files has no destination") }
                return nil
            }
            return Appspec.FileMapping(source: source, destination: destination)
        }
    }

    /// A path whose root is the artifact's or the release's root, never above it.
    private func inside(_ node: Node, of what: String) -> String? {
        guard let path = text(node, of: what) else { return nil }
        let parts = path.split(separator: "/").filter { $0 != "." }
        guard !parts.contains("..") else {
            error(node, "\(what) must not climb with .., found \"\(path)\"")
            return nil
        }
        return parts.joined(separator: "/")
    }

    fileprivate func hooks(_ node: Node) -> [LifecycleEvent: [Appspec.Script]] {
        var hooks: [LifecycleEvent: [Appspec.Script]] = [:]
        let names = LifecycleEvent.allCases.map(\.rawValue)
        for (key, name, value) in pairs(node, of: "hooks") ?? [] {
            if LifecycleEvent.trafficEvents.contains(name) {
                warn(key, "\(name) runs behind a load balancer only and is left out")
                continue
            }
            guard let event = LifecycleEvent(rawValue: name) else {
                let meant = suggestion(for: name, among: names).map { ", did you mean \($0)?" }
                error(
                    key,
                    "unknown lifecycle event \(name)\(meant ?? ", expected one of \(names.joined(separator: ", "))")")
                continue
            }
            if isNull(value) { continue }
            hooks[event] = list(value, of: name).compactMap { script($0, of: name) }
        }
        return hooks
    }

    private func script(_ node: Node, of event: String) -> Appspec.Script? {
        let keys = mapping(
            node, of: "a script of \(event)", keys: ["location", "timeout", "runas"], later: ["sudo"], unknown: .warning
        )
        guard let place = keys["location"] else {
            error(node, "a script of \(event) has no location")
            return nil
        }
        guard let location = inside(place, of: "location") else { return nil }
        if location.isEmpty { error(place, "location wants the path of a script") }
        var script = Appspec.Script(location: location)
        if let node = keys["timeout"], !isNull(node), let seconds = number(node, of: "timeout", in: 1...86_400) {
            script.timeout = seconds
        }
        if let node = keys["runas"], !isNull(node) { script.runas = text(node, of: "runas") }
        return script
    }
}
