import GitKit

extension Steering {
    /// Takes in what happened; gives what follows, in the order in which it is to be recorded.
    mutating func decide(_ happening: Happening, at now: Timestamp) -> [Action] {
        actions = []
        take(happening, at: now)
        settle(at: now)
        defer { actions = [] }
        return actions.compactMap { action in
            switch action {
            // What was made is recorded as it turned out.
            case .make(let step): self[step.key].map(Action.make)
            case .wait(let key, _, _, _), .queue(let key): hasMade(key) ? nil : action
            default: action
            }
        }
    }

    private func hasMade(_ key: Step.Key) -> Bool {
        actions.contains { action in
            if case .make(let step) = action { return step.key == key }
            return false
        }
    }

    private mutating func take(_ happening: Happening, at now: Timestamp) {
        switch happening {
        case .arrived(let run, let origin): arrive(run, origin)
        case .called(let step): add(step)
        case .built(let key, let artifact, let content):
            guard let step = remove(key) else { return }
            guard let name = pipeline.first(for: step.origin.entry)?.name else { return }
            enter(name, step.origin, Step.Key(run: key.run, position: key.position + 1), artifact, content, at: now)
        case .deployed(let key, let deployment, let former): deployed(key, deployment, former, at: now)
        case .ended(let key, let status): ended(key, status)
        case .begun(let key): begun(key, at: now)
        case .interrupted(let key):
            change(key) { step in
                step.status = .queued
                step.isInterrupted = true
            }
        case .promoted(let key, let by, let isEmergency):
            change(key) { step in
                step.by = by
                step.isEmergency = isEmergency
            }
        case .approved(let key, let approval):
            change(key) { step in
                step.approvals.removeAll { $0.by == approval.by }
                step.approvals.append(approval)
            }
        case .retried(var step, let by):
            step.status = .queued
            // Who tries a deployment again promotes nothing: it is judged as it was, and may wait for a person as before.
            if step.kind == .build { step.by = step.by ?? by }
            steps.append(step)
            steps.sort { ($0.key.run, $0.key.position) < ($1.key.run, $1.key.position) }
        case .held(let name, let hold): places[name, default: Place()].hold = hold
        case .lifted(let name): places[name, default: Place()].hold = nil
        case .paused(let why): pause = why
        case .resumed: pause = nil
        case .looked: break
        }
    }

    // MARK: Runs

    private mutating func arrive(_ run: Int64, _ origin: Origin) {
        if pipeline.mode == .superseded, origin.kind == .push {
            // Pushes that lead elsewhere are no older versions of this one.
            for step in steps
            where step.status == .queued && step.by == nil && step.origin.kind == .push && step.key.run < run
                && step.origin.entry == origin.entry
            {
                supersede(step.key, by: run)
            }
        }
        add(
            Step(
                key: Step.Key(run: run, position: 0), kind: .build, name: "build", origin: origin,
                by: origin.kind == .start ? origin.by : nil))
    }

    private mutating func deployed(_ key: Step.Key, _ deployment: Int64, _ former: Revision?, at now: Timestamp) {
        guard let step = remove(key) else { return }
        let name = step.name
        places[name, default: Place()].live = deployment
        let revision = step.origin.revision
        if step.isRollback {
            if let former, former != revision {
                bad[name, default: []].insert(former)
                actions.append(.markBad(name, former))
            }
            if places[name]?.hold == nil {
                places[name]?.hold = Hold(
                    kind: .rollback, reason: "rolled back to \(revision.abbreviated())", by: step.by ?? "", since: now,
                    until: nil)
                actions.append(.hold(name, because: revision))
            }
            return
        }
        // Whoever went back from it while it ran said so later than who promoted it.
        if step.by != nil, !step.isUnwanted {
            if places[name]?.hold?.kind == .rollback {
                places[name]?.hold = nil
                actions.append(.liftRollbackHold(name))
            }
            if bad[name]?.remove(revision) != nil { actions.append(.unmarkBad(name, revision)) }
        }
        for other in steps
        where other.name == name && other.kind == .deploy && other.key.run < key.run && other.status == .waiting
            && !other.isRollback && !isNewer(other, than: step)
        {
            supersede(other.key, by: key.run)
        }
        if let artifact = step.artifact, verified[name]?[artifact] == nil {
            verified[name, default: [:]][artifact] = now
        }
        if let next = pipeline.after(name) {
            enter(
                next.name, step.origin, Step.Key(run: key.run, position: key.position + 1), step.artifact,
                step.content, at: now)
        }
    }

    /// Somebody promoted an older revision while a newer one waits: that goes on waiting.
    private func isNewer(_ other: Step, than step: Step) -> Bool {
        guard let maker = step.origin.madeBy, other.origin.revision != step.origin.revision else { return false }
        return (other.origin.madeBy ?? other.key.run) > maker
    }

    private mutating func ended(_ key: Step.Key, _ status: Status) {
        guard let step = remove(key), status == .failed || status == .errored else { return }
        let most =
            step.kind == .build ? pipeline.build.retry : pipeline.environment(step.name)?.retry ?? 0
        guard !step.isRollback, step.retries < most else { return }
        var again = step
        again.status = .queued
        again.isInterrupted = step.kind == .deploy
        again.retries += 1
        add(again, saying: .retry(key, count: again.retries, of: most))
    }

    private mutating func begun(_ key: Step.Key, at now: Timestamp) {
        guard let step = self[key] else { return }
        if !step.isInterrupted, !step.isEmergency, pipeline.environment(step.name)?.approvals != nil {
            let valid = validApprovals(of: step, at: now)
            if !valid.isEmpty { actions.append(.use(approvals: valid.map(\.id), key)) }
        }
        change(key) { step in
            step.status = .running
            step.approvals = []
        }
    }

    /// A run comes to an environment with what was built.
    private mutating func enter(
        _ name: String, _ origin: Origin, _ key: Step.Key, _ artifact: Int64?, _ content: String, at now: Timestamp
    ) {
        var step = Step(key: key, kind: .deploy, name: name, origin: origin, artifact: artifact, content: content)
        if isPromoted(to: name, origin) { step.by = origin.by }
        let goesAtOnce = obstacles(to: step, at: now).isEmpty
        if pipeline.mode == .superseded {
            for other in steps
            where other.name == name && other.kind == .deploy && other.by == nil && other.key.run < key.run
                && !isNewer(other, than: step)
            {
                switch other.status {
                case .queued where goesAtOnce && origin.kind == .push && other.origin.kind == .push:
                    supersede(other.key, by: key.run)
                case .waiting where !goesAtOnce && !isKept(other, at: now): supersede(other.key, by: key.run)
                default: continue
                }
            }
        }
        add(step)
    }

    /// Whoever pushed or started the run wants it to come this far.
    private func isPromoted(to name: String, _ origin: Origin) -> Bool {
        name != pipeline.first(for: origin.entry)?.name && pipeline.isOnTheWay(name, to: origin.goal)
    }

    /// A newer run does not take the place of a waiting one that goes by itself once it has soaked, or else a steady
    /// stream of pushes would keep all of them from it; nor, where the policy says so, of one that waits for a person.
    private func isKept(_ step: Step, at now: Timestamp) -> Bool {
        if !pipeline.supersedesWaiting, step.wait == .promotion || step.wait == .approval { return true }
        guard pipeline.environment(step.name)?.soak != nil else { return false }
        let waits = obstacles(to: step, at: now).map(\.wait)
        guard waits.allSatisfy({ [.soak, .window, .freeze].contains($0) }) else { return false }
        return !steps.contains {
            $0.name == step.name && $0.kind == .deploy && $0.status == .waiting && $0.key.run < step.key.run
        }
    }

    // MARK: Steps

    private subscript(key: Step.Key) -> Step? { steps.first { $0.key == key } }

    private mutating func change(_ key: Step.Key, _ body: (inout Step) -> Void) {
        guard let index = steps.firstIndex(where: { $0.key == key }) else { return }
        body(&steps[index])
    }

    private mutating func remove(_ key: Step.Key) -> Step? {
        steps.firstIndex { $0.key == key }.map { steps.remove(at: $0) }
    }

    private mutating func add(_ step: Step, saying action: Action? = nil) {
        steps.append(step)
        steps.sort { ($0.key.run, $0.key.position) < ($1.key.run, $1.key.position) }
        actions.append(action ?? .make(step))
    }

    private mutating func supersede(_ key: Step.Key, by run: Int64) {
        if remove(key) != nil { actions.append(.supersede(key, by: run)) }
    }

    /// Lets everything go that nothing stands in the way of any more, and says of the rest what does.
    private mutating func settle(at now: Timestamp) {
        for index in steps.indices where steps[index].status == .queued || steps[index].status == .waiting {
            for (approval, why) in voidApprovals(of: steps[index], at: now) {
                steps[index].approvals.removeAll { $0.id == approval.id }
                actions.append(.void(approval: approval.id, by: approval.by, steps[index].key, why: why))
            }
            let found = obstacles(to: steps[index], at: now)
            guard let first = found.first else {
                if steps[index].status == .waiting {
                    steps[index].status = .queued
                    (steps[index].wait, steps[index].reason, steps[index].wakesAt) = (nil, nil, nil)
                    actions.append(.queue(steps[index].key))
                }
                continue
            }
            let reason = found.map(\.text).joined(separator: "; then ")
            let ends = found.compactMap(\.until) + steps[index].approvals.map(\.expiresAt)
            let until = ends.filter { $0 > now }.min()
            if steps[index].status == .waiting, steps[index].wait == first.wait, steps[index].reason == reason,
                steps[index].wakesAt == until
            {
                continue
            }
            steps[index].status = .waiting
            (steps[index].wait, steps[index].reason, steps[index].wakesAt) = (first.wait, reason, until)
            actions.append(.wait(steps[index].key, first.wait, reason, until: until))
        }
    }
}
