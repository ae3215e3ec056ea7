/// The agent's own configuration file, of which a local deployment reads where things are (AWS reference 1.12).
public struct LocalConfiguration: Hashable, Sendable {
    /// Where the agent keeps it.
    public static let standardPath = "/etc/codedeploy-agent/conf/codedeployagent.yml"

    /// Holds deployments, instructions and logs.
    public var root: String
    /// How many deployments of a group stay, this one among them.
    public var maxRevisions = 5
    public var keepsDeploymentsLog = true

    public init(root: String) { self.root = root }

    /// `root`: where things are when the file does not say.
    public static func parse(
        _ bytes: [UInt8], file: String, root: String
    ) throws(Diagnostics) -> (LocalConfiguration, [Diagnostic]) {
        let reader = YAMLReader(file: file)
        var configuration = LocalConfiguration(root: root)
        if let node = try reader.compose(bytes), !reader.isNull(node) {
            for (_, name, value) in reader.pairs(node, of: "the configuration") ?? [] where !reader.isNull(value) {
                // Ruby's symbols begin with a colon. Keys of the agent's service are for the agent.
                switch name.hasPrefix(":") ? String(name.dropFirst()) : name {
                case "root_dir":
                    guard let path = reader.text(value, of: "root_dir") else { continue }
                    if path.hasPrefix("/") {
                        configuration.root = path
                    } else {
                        reader.error(value, "root_dir wants an absolute path, found \"\(path)\"")
                    }
                case "max_revisions":
                    if let count = reader.number(value, of: "max_revisions", in: 1...100_000) {
                        configuration.maxRevisions = count
                    }
                case "enable_deployments_log":
                    if let flag = reader.flag(value, of: "enable_deployments_log") {
                        configuration.keepsDeploymentsLog = flag
                    }
                default: continue
                }
            }
        }
        return (configuration, try reader.finish())
    }
}

extension LocalConfiguration {
    /// The file that was asked for, else the agent's own where there is one; `root`: where things are without either.
    public static func find(
        _ path: String?, orIn root: String
    ) throws -> (configuration: LocalConfiguration, warnings: [Diagnostic]) {
        guard let bytes = try FileSystem.read(path ?? standardPath, limit: YAMLReader.sizeLimit) else {
            if let path { throw ShipitError(.usage, "there is no configuration file \(visibleLine(path))") }
            return (LocalConfiguration(root: root), [])
        }
        return try parse(bytes, file: path ?? standardPath, root: root)
    }
}
