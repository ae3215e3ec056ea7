import ArtifactKit
import GRDB
import GitKit

/// One person's yes to a plan that waits for it.
public struct Approving: Sendable {
    public let job: Job
    public let plan: PlanReport
    public let rules: ApprovalPolicy
    private let app: App
    private let installation: Installation

    /// What there is to approve: the named run, or the only one that waits for approvals.
    public init(_ installation: Installation, _ app: App, run: Int64?) throws {
        self.installation = installation
        self.app = app
        let waiting = try installation.ledger.openRuns(app: app.name).compactMap(\.jobs.last).filter { job in
            job.status == .waiting && job.kind == .deploy && (run == nil || job.run == run)
                && job.backTo == nil && !job.isEmergency
                && app.pipeline.environment(job.name)?.approvals != nil
        }
        guard let job = waiting.last, let rules = app.pipeline.environment(job.name)?.approvals else {
            let what = run.map { "run \($0) waits for no approval" } ?? "nothing waits for an approval"
            throw ShipitError(.unavailable, what, hint: "shipit status shows what waits")
        }
        guard waiting.count == 1 else {
            let runs = waiting.map { "\($0.run)" }.joined(separator: ", ")
            throw ShipitError(.usage, "several runs wait for approvals: \(runs)", hint: "shipit approve RUN")
        }
        self.job = job
        self.rules = rules
        plan = try PlanReport(installation, app, try Promotion.of(job, installation))
    }

    /// Records the approval; gives the job as it waits now, nil when it goes on.
    ///
    /// `seen`: the digest of the plan that the person looked at, of which the beginning is enough.
    public func give(by asker: String, reason: String?, seen: String?, signature: String? = nil) throws -> Job? {
        // One person by whatever way shipit knows them: `ann (sudo)` is no second ann.
        let person = Person.name(in: asker)
        let digest = plan.digest.description
        if let seen, seen.utf8.count < 8 {
            throw ShipitError(
                .usage, "--plan wants 8 digits or more of the plan, found \"\(visibleLine(seen))\"",
                hint: "shipit plan --run \(job.run)")
        }
        if let seen, !digest.hasPrefix(seen.lowercased()) {
            throw ShipitError(
                .busy, "the plan is \(digest.prefix(12)) by now, not \(visibleLine(seen))",
                hint: "shipit plan --run \(job.run) shows what changed")
        }
        try app.pipeline.allow.check(.approve, in: job.name, person: asker)
        guard rules.by.isEmpty || Person(by: asker).isMeant(byOneOf: rules.by) else {
            throw ShipitError(
                .unavailable, "\(person) may not approve for \(job.name)",
                hint: "the policy names \(rules.by.map(\.description).joined(separator: ", "))")
        }
        if rules.signers != nil, signature == nil {
            throw ShipitError(
                .unavailable, "approvals for \(job.name) must be signed",
                hint:
                    "shipit plan --run \(job.run) --statement >plan; ssh-keygen -Y sign -n \(PlanSignature.namespace) -f KEY plan; shipit approve \(job.run) --signature plan.sig --as NAME, as \(rules.signers ?? "the file of signers") names you"
            )
        }
        let expiry = Timestamp(milliseconds: Timestamp.now.milliseconds + Int64(rules.expires.inSeconds * 1000))
        try installation.ledger.approve(
            job, by: person, isAuthor: isAuthor(person), expires: expiry, reason: reason,
            plan: digest, artifact: plan.promotion.artifact.manifest?.description ?? "",
            live: plan.promotion.live?.id, policy: app.policy,
            signature: signature.map { SignedPlan(PlanSignature(text: $0), plan.statement, plan.round) })
        let now = try installation.ledger.run(job.run)?.jobs.last
        return now?.status == .waiting ? now : nil
    }

    /// Who pushed or wrote one of its commits, or asked for the run, as far as their names tell.
    private func isAuthor(_ person: String) throws -> Bool {
        func isTheirs(_ record: RunRecord) -> Bool { Person.areAlike(Person.name(in: record.run.by), person) }
        if try installation.ledger.run(job.run).map(isTheirs) ?? false { return true }
        for revision in Set([plan.promotion.revision] + plan.commits.map(\.id)) {
            let runs = try installation.ledger.runs(app: app.name, revision: revision)
            if runs.contains(where: { $0.run.kind == .push && isTheirs($0) }) { return true }
        }
        return plan.commits.contains {
            Person.areAlike($0.author.name, person) || Person.areAlike($0.author.email, person)
        }
    }
}

extension Person {
    /// Whether two names may be one person's: an account `ann` here, and `Ann@example.org` where signers are listed.
    static func areAlike(_ one: String, _ other: String) -> Bool {
        func names(_ name: String) -> Set<String> {
            let name = name.lowercased()
            return Set([name, String(name.prefix { $0 != "@" })].filter { !$0.isEmpty })
        }
        return !names(one).isDisjoint(with: names(other))
    }
}

extension Ledger {
    /// Records an approval of a waiting job under today's policy, and lets the job go if that was what it waited for.
    func approve(
        _ job: Job, by: String, isAuthor: Bool, expires: Timestamp, reason: String?, plan: String, artifact: String,
        live: Int64?, policy: Policy, signature: SignedPlan?
    ) throws {
        try write { db in
            try db.adopt(policy)
            if let signature {
                try steer(db, job.app, .looked, orUnder: policy)
                try db.checkCountsOnce(signature, job)
            }
            let key = Steering.Step.Key(run: job.run, position: job.position)
            let status = try Status.fetchOne(db, cached: "SELECT status FROM job WHERE id = ?", arguments: [job.id])
            guard status == .waiting else {
                throw ShipitError(.busy, "run \(job.run) does not wait any more", hint: "shipit show \(job.run)")
            }
            // A second yes of the same person takes the place of the first.
            try db.execute(
                cached: """
                    UPDATE approval SET void = 'said again' WHERE job = ? AND by = ? AND void IS NULL AND used_by IS NULL
                    """, arguments: [job.id, by])
            try db.execute(
                cached: """
                    INSERT INTO approval (job, by, by_author, at, expires_at, reason, plan, artifact, policy, live,
                    signature, signed_text) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    job.id, by, isAuthor, Timestamp.now, expires, reason, plan, artifact, policy.digest, live,
                    signature?.signature.text, signature?.statement,
                ])
            let approval = Steering.Approval(
                id: db.lastInsertedRowID, by: by, isAuthor: isAuthor, expiresAt: expires, content: artifact,
                policy: policy.digest, live: live)
            try steer(db, job.app, .approved(key, approval), orUnder: policy) {
                try db.execute(cached: "UPDATE job SET policy = ? WHERE id = ?", arguments: [policy.digest, job.id])
                let why = reason.map { ": \($0)" } ?? ""
                try db.say(
                    .approvalGiven, app: job.app, run: job.run, job: job.id,
                    "\(job.name) approved by \(by), plan \(plan.prefix(12))\(why)")
            }
        }
    }

    /// How many signed approvals of the job have been used up or are void.
    func approvalRound(of job: Int64) throws -> Int { try read { try $0.approvalRound(of: job) } }

    /// The approvals of a job, oldest first, also those that are void or used.
    public func approvals(of job: Int64) throws -> [ApprovalRecord] {
        try read { db in
            try Row.fetchAll(db, cached: "SELECT * FROM approval WHERE job = ? ORDER BY id", arguments: [job]).map {
                ApprovalRecord($0)
            }
        }
    }

    /// All approvals that carry a signature, oldest first.
    func signedApprovals() throws -> [SignedApproval] {
        try read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT job.app AS app, job.name AS name, job.run AS run, approval.* FROM approval
                    JOIN job ON job.id = approval.job WHERE approval.signature IS NOT NULL ORDER BY approval.id
                    """
            ).map { row in
                SignedApproval(
                    app: row["app"], environment: row["name"], run: row["run"], record: ApprovalRecord(row),
                    statement: row["signed_text"] ?? "", signature: row["signature"], artifact: row["artifact"],
                    policy: row["policy"])
            }
        }
    }
}

/// A signature and what it signs.
struct SignedPlan: Sendable {
    let signature: PlanSignature
    let statement: String
    let round: Int

    init(_ signature: PlanSignature, _ statement: String, _ round: Int) {
        self.signature = signature
        self.statement = statement
        self.round = round
    }
}

extension Database {
    fileprivate func approvalRound(of job: Int64) throws -> Int {
        try Int.fetchOne(
            self,
            cached: """
                SELECT count(*) FROM approval
                WHERE job = ? AND signature IS NOT NULL AND (void IS NOT NULL OR used_by IS NOT NULL)
                """, arguments: [job]) ?? 0
    }

    /// Whoever has the file of a signature cannot give it again, and one key is one person, by whatever name.
    fileprivate func checkCountsOnce(_ signed: SignedPlan, _ job: Job) throws {
        guard try approvalRound(of: job.id) == signed.round else {
            throw ShipitError(
                .busy, "an approval of run \(job.run) was used or became void meanwhile",
                hint: "shipit plan --run \(job.run) --statement gives what to sign now")
        }
        let others = try Row.fetchAll(
            self,
            cached: """
                SELECT by, signature, expires_at FROM approval
                WHERE job = ? AND void IS NULL AND used_by IS NULL AND signature IS NOT NULL
                """, arguments: [job.id])
        for other in others {
            let (by, text, expiry): (String, String, Timestamp) = (other["by"], other["signature"], other["expires_at"])
            guard PlanSignature(text: text).key == signed.signature.key else { continue }
            throw ShipitError(
                .unavailable, "the key of this signature approved already, as \(by), until \(expiry.local)",
                hint: "shipit show \(job.run)")
        }
    }
}

/// An approval as it was recorded.
public struct ApprovalRecord: Hashable, Sendable {
    public let by: String
    public let at: Timestamp
    public let expiresAt: Timestamp
    public let reason: String?
    /// The digest of the plan that it was for.
    public let plan: String
    /// Why it does not count any more.
    public let void: String?
    /// The deployment that it let through.
    public let usedBy: Int64?
    public let isSigned: Bool

    fileprivate init(_ row: Row) {
        by = row["by"]
        at = row["at"]
        expiresAt = row["expires_at"]
        reason = row["reason"]
        plan = row["plan"]
        void = row["void"]
        usedBy = row["used_by"]
        isSigned = row["signature"] != nil
    }
}
