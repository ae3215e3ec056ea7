import ArtifactKit
import Synchronization

/// Policies that were read already, by their digest: a worker meets the same one several times for each push.
final class PolicyCache: Sendable {
    private static let limit = 100
    private let known = Mutex<[String: Policy]>([:])

    /// Complaints name `file`; a policy that has any, warnings too, is read anew each time.
    func policy(_ bytes: [UInt8], file: String) throws(Diagnostics) -> (policy: Policy, warnings: [Diagnostic]) {
        let digest = Digest.of(bytes).description
        if let policy = known.withLock({ $0[digest] }) { return (policy, []) }
        let (pipeline, warnings) = try Pipeline.parse(bytes, file: file)
        let policy = Policy(pipeline, bytes)
        guard warnings.isEmpty else { return (policy, warnings) }
        known.withLock { known in
            if known.count >= Self.limit { known = [:] }
            known[digest] = policy
        }
        return (policy, [])
    }
}

extension Policy {
    init(_ pipeline: Pipeline, _ bytes: [UInt8]) {
        self.init(
            pipeline: pipeline, text: String(decoding: bytes, as: UTF8.self), digest: Digest.of(bytes).description)
    }
}
