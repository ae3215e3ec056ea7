import ArtifactKit

/// What targets tell of a deployment besides how it ended.
public struct DeploymentNotes: Hashable, Sendable {
    /// Something that a release passes before its deployment is called a success.
    public enum Check: String, Hashable, Sendable, Codable {
        case validateService = "ValidateService"
        case health
    }

    /// Why nobody can go back over it, as its hook scripts said.
    public var irreversible: String?
    /// Nil when no target tells.
    public var checks: [Check]?

    public init(irreversible: String? = nil, checks: [Check]? = nil) {
        self.irreversible = irreversible
        self.checks = checks
    }

    /// `stores`: where the releases of its targets are. What cannot be read tells nothing.
    init(of deployment: Int64, in stores: [String]) {
        for store in stores {
            guard FileSystem.isFolder("\(store)/.shipit/results"),
                let own = try? Directory(path: "\(store)/.shipit"),  // gone meanwhile
                let result = try? Target.result(of: deployment, in: own)  // none, or a damaged one
            else { continue }
            irreversible = irreversible ?? result.irreversible
            checks = checks ?? result.checks
        }
    }

    /// As the ledger has them: words.
    var checksText: String? { checks.map { $0.map(\.rawValue).joined(separator: " ") } }

    static func checks(_ text: String?) -> [Check] {
        text?.split(separator: " ").compactMap { Check(rawValue: String($0)) } ?? []
    }
}
