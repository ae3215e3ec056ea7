import ArtifactKit

/// What is live in an environment's target, compared with the manifest of its release.
public struct Verification: Hashable, Sendable {
    public let environment: String
    public let target: String
    /// The live release; nil when nothing is live there.
    public let release: String?
    public let differences: [ReleaseCheck.Difference]

    /// What is live was edited, or some of it is gone.
    public var isDamaged: Bool { differences.contains { $0.kind != .extra && !$0.isByScripts } }

    /// One for each target of the environment, or of all of them.
    public static func of(_ app: App, in home: Home, environment name: String?) throws -> [Verification] {
        let environments = try name.map { [try app.environment($0)] } ?? app.pipeline.environments
        return try environments.flatMap { environment in
            try zip(environment.targets, home.stores(app.name, environment)).map { target, store in
                try Verification(environment, target, store)
            }
        }
    }

    private init(_ policy: EnvironmentPolicy, _ target: String, _ path: String) throws {
        environment = policy.name
        self.target = target
        guard FileSystem.isFolder("\(path)/.shipit"), let live = try Target.live(in: try Directory(path: path), path)
        else {
            release = nil
            differences = []
            return
        }
        let root = try Directory(path: path)
        release = live
        guard FileSystem.isFolder("\(path)/releases/\(live)") else {
            let gone = ReleaseCheck.Difference(
                kind: .missing, path: "releases/\(live)", what: "the live release is gone")
            differences = [gone]
            return
        }
        guard let check = try ReleaseCheck(live, in: root, path, policy.layout == .inPlace ? [] : policy.shared) else {
            throw ShipitError(
                .failure, "the manifest of \(path)/releases/\(live) is gone",
                hint: "shipit promote \(live.drop { $0 != "-" }.dropFirst()) --to \(policy.name) deploys it again")
        }
        guard policy.layout == .inPlace else {
            differences = check.differences
            return
        }
        guard check.damage.isEmpty else {
            throw ShipitError(
                .failure, "the release \(path)/releases/\(live) is damaged itself, so nothing can be compared with it",
                hint: "shipit promote \(live.drop { $0 != "-" }.dropFirst()) --to \(policy.name) deploys it again")
        }
        differences = try InstalledCheck(live, of: policy, in: root, at: target).differences
    }
}
