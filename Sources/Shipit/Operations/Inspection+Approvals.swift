import ArtifactKit

extension Inspection {
    /// Every signed approval again, against the file of allowed signers as it is now: a signer who left it shows here.
    mutating func inspectApprovals() async throws {
        var count = 0
        for signed in try installation.ledger.signedApprovals() {
            guard let app = apps.first(where: { $0.name == signed.app }) else { continue }
            guard let signers = app.pipeline.environment(signed.environment)?.approvals?.signers else { continue }
            count += 1
            do {
                try await signed.verify(signers: signers)
            } catch {
                let what = (error as? ShipitError)?.message ?? "\(error)"
                find(
                    .approvalUnsound,
                    at: "the approval of run \(signed.run) for \(signed.environment) by \(signed.record.by)",
                    what, remedy: "shipit show \(signed.run); if it was given in good faith, approve again")
            }
        }
        if count > 0 { notes.append("\(count) signed approval\(count == 1 ? "" : "s") looked at") }
    }
}

/// An approval with its ssh signature, and what the ledger says that it was for.
public struct SignedApproval: Sendable {
    public let app: String
    public let environment: String
    public let run: Int64
    public let record: ApprovalRecord
    /// The text that was signed.
    let statement: String
    let signature: String
    /// Digests, as in the columns by which the approval was judged.
    let artifact: String
    let policy: String

    /// Throws unless the person signed this very plan.
    func verify(signers: String) async throws {
        try await PlanSignature(text: signature).verify(statement, by: record.by, signers: signers)
        guard Digest.of(Array(statement.utf8)).description == record.plan else {
            throw ShipitError(.failure, "what was signed is not the plan that the ledger names")
        }
        let lines = Set(statement.split(separator: "\n").map(String.init))
        let facts = [
            "app: \(app)", "environment: \(environment)", "run: \(run)", "artifact: \(artifact)", "policy: \(policy)",
        ]
        if let fact = facts.first(where: { !lines.contains($0) }) {
            throw ShipitError(.failure, "the ledger has \"\(fact)\", and what was signed has not")
        }
    }
}
