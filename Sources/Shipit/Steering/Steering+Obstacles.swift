import GitKit

/// Something that a step waits for, and the command that would move it where there is one.
struct Obstacle: Hashable, Sendable {
    let wait: Job.Wait
    let text: String
    /// When it ends by itself.
    var until: Timestamp?
}

extension Steering {
    /// All that stands in the way of a step now, in the order in which people would clear it; empty when it may go.
    func obstacles(to step: Step, at now: Timestamp) -> [Obstacle] {
        var found: [Obstacle] = []
        if let pause { found.append(Obstacle(wait: .pause, text: "everything is paused by \(pause); shipit resume")) }
        guard step.kind == .deploy else { return found }
        let place = places[step.name] ?? Place()
        if let hold = place.hold, hold.kind == .hold, !hold.isOver(at: now) {
            let text = "\(step.name) is held by \(hold.by): \(hold.reason); shipit unhold \(step.name)"
            found.append(Obstacle(wait: .hold, text: text, until: hold.until))
        }
        if step.isRollback || step.isEmergency || step.isInterrupted { return found }
        guard let rules = pipeline.environment(step.name) else {
            let text = "the policy has no environment \(step.name) any more; shipit cancel \(step.key.run)"
            return found + [Obstacle(wait: .promotion, text: text)]
        }
        if step.by == nil, let older = older(than: step) {
            let text = "for run \(older.key.run), which is before it; shipit show \(older.key.run)"
            found.append(Obstacle(wait: .turn, text: text))
        }
        if step.by == nil, let obstacle = promotion(of: step, to: rules, place, at: now) { found.append(obstacle) }
        if let needed = rules.approvals, let obstacle = approval(of: step, needed, at: now) { found.append(obstacle) }
        if let soak = rules.soak, let before = pipeline.before(rules.name),
            let obstacle = self.soak(of: step, soak, before.name, at: now)
        {
            found.append(obstacle)
        }
        for freeze in rules.freezes where freeze.from <= now && now < freeze.until {
            let text = "\(rules.name) is frozen until \(freeze.until.local): \(freeze.reason)"
            found.append(Obstacle(wait: .freeze, text: text, until: freeze.until))
        }
        if !rules.windows.isEmpty, !rules.windows.contains(where: { $0.contains(now) }) {
            let next = rules.windows.compactMap { $0.opening(after: now) }.min()
            let text = "for the window of \(rules.name)\(next.map { ", which opens \($0.local)" } ?? "")"
            found.append(Obstacle(wait: .window, text: text, until: next))
        }
        return found
    }

    /// What keeps a step from going by itself.
    private func promotion(
        of step: Step, to rules: EnvironmentPolicy, _ place: Place, at now: Timestamp
    ) -> Obstacle? {
        let (name, revision) = (rules.name, step.origin.revision)
        let isEntry = name == pipeline.first(for: step.origin.entry)?.name
        let promote = "shipit promote \(revision.abbreviated()) --to \(name)"
        if bad[name]?.contains(revision) == true, !(isEntry && step.origin.kind != .push) {
            return Obstacle(wait: .promotion, text: "marked bad in \(name); \(promote)")
        }
        if isEntry { return nil }
        if let before = pipeline.before(name), bad[before.name]?.contains(revision) == true {
            return Obstacle(wait: .promotion, text: "marked bad in \(before.name); \(promote)")
        }
        if rules.promotion != .automatic { return Obstacle(wait: .promotion, text: "for promotion; shipit promote") }
        if let hold = place.hold, hold.kind == .rollback, !hold.isOver(at: now) {
            let text = "\(name) was rolled back; shipit promote, or shipit unhold \(name)"
            return Obstacle(wait: .promotion, text: text, until: hold.until)
        }
        return nil
    }

    /// An older run that this one must not overtake.
    private func older(than step: Step) -> Step? {
        switch pipeline.mode {
        case .parallel:
            // Builds may end in any order; what they made goes live in the order of the runs.
            guard step.name == pipeline.first(for: step.origin.entry)?.name else { return nil }
            return steps.first {
                $0.kind == .build && $0.key.run < step.key.run && $0.origin.entry == step.origin.entry
            }
        case .superseded where !pipeline.supersedesWaiting:
            return steps.first {
                $0.name == step.name && $0.kind == .deploy && $0.key.run < step.key.run && $0.status == .waiting
                    && ($0.wait == .promotion || $0.wait == .approval)
            }
        case .superseded, .queued: return nil
        }
    }

    private func soak(of step: Step, _ soak: Duration, _ before: String, at now: Timestamp) -> Obstacle? {
        guard let began = step.artifact.flatMap({ verified[before]?[$0] }) else {
            return Obstacle(
                wait: .soak,
                text:
                    "to be verified live in \(before); shipit promote \(step.origin.revision.abbreviated()) --to \(before)"
            )
        }
        let end = Timestamp(milliseconds: began.milliseconds + Int64(soak.inSeconds * 1000))
        guard end > now else { return nil }
        return Obstacle(
            wait: .soak, text: "to have been in \(before) for \(soak.spoken), until \(end.local)", until: end)
    }

    // MARK: Approvals

    private func approval(of step: Step, _ rules: ApprovalPolicy, at now: Timestamp) -> Obstacle? {
        let valid = validApprovals(of: step, at: now)
        let command = "shipit plan --run \(step.key.run), then shipit approve \(step.key.run)"
        let said = valid.isEmpty ? "" : " (\(valid.map(\.by).joined(separator: " and ")) said yes)"
        if valid.count < rules.needed {
            let missing = rules.needed - valid.count
            let what = "\(missing) \(valid.isEmpty ? "" : "more ")approval\(missing == 1 ? "" : "s")"
            return Obstacle(wait: .approval, text: "for \(what)\(said); \(command)")
        }
        if rules.neverAuthorAlone, valid.allSatisfy(\.isAuthor) {
            return Obstacle(
                wait: .approval, text: "for an approval by somebody else than its author\(said); \(command)")
        }
        return nil
    }

    func validApprovals(of step: Step, at now: Timestamp) -> [Approval] {
        step.approvals.filter { reasonAgainst($0, step, at: now) == nil }
    }

    func voidApprovals(of step: Step, at now: Timestamp) -> [(Approval, String)] {
        step.approvals.compactMap { approval in
            reasonAgainst(approval, step, at: now).map { (approval, $0) }
        }
    }

    /// An approval is for exactly this artifact, policy and live deployment, for some time, by somebody who still may.
    private func reasonAgainst(_ approval: Approval, _ step: Step, at now: Timestamp) -> String? {
        if approval.expiresAt <= now { return "it expired at \(approval.expiresAt.local)" }
        if approval.content != step.content { return "the artifact is another one" }
        if approval.policy != policy { return "the policy changed" }
        if approval.live != places[step.name]?.live { return "what is live in \(step.name) changed" }
        return nil
    }
}
