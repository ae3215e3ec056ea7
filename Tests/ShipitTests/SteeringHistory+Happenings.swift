import GitKit

@testable import Shipit

extension SteeringHistory {
    mutating func happen() {
        let names = steering.pipeline.environments.map(\.name)
        let name = names[Int(random.next() % UInt64(names.count))]
        let waiting = steering.steps.filter { $0.status == .waiting && $0.kind == .deploy }
        switch random.next() % 27 {
        case 0...4:
            let origin = origin(random.next() % 5 == 0 ? .start : .push)
            decide(.arrived(run: nextRun, origin))
            nextRun += 1
        case 5...9:
            if let step = choose(steering.steps.filter { $0.status == .running }) {
                finish(step, well: random.next() % 4 > 0)
            }
        case 10, 11:
            if let step = choose(waiting), step.by == nil {
                decide(.promoted(step.key, by: "ann", isEmergency: random.next() % 8 == 0))
            }
        case 12, 13:
            if let step = choose(waiting) { approve(step) }
        case 14:
            let until =
                random.next() % 2 == 0
                ? nil : Timestamp(milliseconds: now.milliseconds + Int64(random.next() % 9_000_000))
            decide(.held(name, Hold(kind: .hold, reason: "r", by: "ann", since: now, until: until)))
        case 15: decide(.lifted(name))
        case 16:
            // A clock that jumps, now and then back.
            let jump = Int64(random.next() % 20_000_000) - 2_000_000
            now = Timestamp(milliseconds: now.milliseconds + jump)
            decide(.looked)
        case 17:
            if let step = choose(steering.steps.filter { $0.status == .running }) {
                // The worker died; a deployment was put back.
                decide(.interrupted(step.key)) { $0.move(step.key, to: .queued) }
                if step.kind == .build { permitted[step.key, default: 0] += 1 }
            }
        case 18:
            if let step = choose(steering.steps) {
                decide(.ended(step.key, .cancelled)) { $0.move(step.key, to: .cancelled) }
            }
        case 19:
            if let good = choose(finished.filter { $0.name == name }) {
                var step = Steering.Step(
                    key: Steering.Step.Key(run: nextRun, position: 1 + (names.firstIndex(of: name) ?? 0)),
                    kind: .deploy,
                    name: name, origin: origin(.rollback, good.origin.revision), artifact: good.artifact, by: "ann")
                step.isRollback = true
                nextRun += 1
                decide(.called(step))
            }
        case 20: steering.pause == nil ? decide(.paused("ann: upgrade")) : decide(.resumed)
        case 21 where random.next() % 4 == 0:
            let others = policies.filter { $0.mode == steering.pipeline.mode }
            changePolicy(to: others[Int(random.next() % UInt64(others.count))], "p\(1 + random.next() % 3)")
        case 23:
            // Somebody promotes what was verified before, newer or older than what waits.
            if let before = steering.pipeline.before(name),
                let good = choose(finished.filter { $0.name == before.name }),
                !steering.steps.contains(where: { $0.name == name && $0.artifact == good.artifact })
            {
                var step = Steering.Step(
                    key: Steering.Step.Key(run: nextRun, position: 2), kind: .deploy, name: name,
                    origin: origin(.promote, good.origin.revision, isPlain: true), artifact: good.artifact,
                    content: good.content, by: "ann")
                step.origin.madeBy = good.origin.madeBy ?? good.key.run
                nextRun += 1
                decide(.called(step))
            }
        case 22:
            // Somebody retries what failed, while nothing else of its run is open.
            guard let step = choose(failed), book[step.key]?.isFinal ?? false, book[step.key] != .succeeded,
                !steering.steps.contains(where: { $0.key.run == step.key.run })
            else { return }
            failed.removeAll { $0.key == step.key }
            var again = step
            (again.approvals, again.isInterrupted) = ([], false)
            permitted[step.key, default: 0] += 1
            decide(.retried(again, by: "ben")) { $0.move(step.key, to: .queued) }
        default:
            // Most of the time things go well, and people do what they are asked for.
            if let step = choose(steering.steps.filter { $0.status == .running }) { return finish(step, well: true) }
            if let step = choose(waiting), let needed = steering.pipeline.environment(step.name)?.approvals {
                for _ in 0..<needed.needed { approve(step) }
            }
        }
    }

    /// By one of three people, now and then for something else than what waits.
    private mutating func approve(_ step: Steering.Step) {
        let approval = Steering.Approval(
            id: nextApproval, by: ["ann", "ben", "cyd"][Int(random.next() % 3)],
            isAuthor: random.next() % 3 == 0,
            expiresAt: Timestamp(milliseconds: now.milliseconds + 1 + Int64(random.next() % 9_000_000)),
            content: random.next() % 9 == 0 ? "another" : step.content,
            policy: random.next() % 9 == 0 ? "p0" : steering.policy,
            live: steering.places[step.name]?.live)
        nextApproval += 1
        decide(.approved(step.key, approval))
    }

    private mutating func origin(
        _ kind: Run.Kind, _ revision: Revision? = nil, isPlain: Bool = false
    ) -> Steering.Origin {
        if isPlain, let revision { return Steering.Origin(kind: kind, revision: revision, by: "ann") }
        let number = random.next() % 4 == 0 ? Int64(random.next() % UInt64(nextRun)) : nextRun
        let goal = random.next() % 12 == 0 ? steering.pipeline.environments.last?.name : nil
        let entry = [nil, nil, nil, nil, nil, "preview", "production"][Int(random.next() % 7)]
        return Steering.Origin(
            kind: kind, revision: revision ?? Book.revision(Int(number)), by: "ann", entry: entry, goal: goal)
    }

    /// Everybody says yes and everything succeeds: then nothing may be left.
    mutating func comeToRest() {
        if steering.pause != nil { decide(.resumed) }
        for name in steering.pipeline.environments.map(\.name) { decide(.lifted(name)) }
        for _ in 0..<400 where !steering.steps.isEmpty {
            for step in steering.steps where step.status == .waiting && step.kind == .deploy {
                if step.by == nil { decide(.promoted(step.key, by: "ann", isEmergency: false)) }
                for person in ["ann", "ben"]
                where steering.steps.contains(where: { $0.key == step.key && $0.status == .waiting }) {
                    let approval = Steering.Approval(
                        id: nextApproval, by: person, isAuthor: false,
                        expiresAt: Timestamp(milliseconds: now.milliseconds + 864_000_000), content: step.content,
                        policy: steering.policy, live: steering.places[step.name]?.live)
                    nextApproval += 1
                    decide(.approved(step.key, approval))
                }
            }
            for step in steering.steps where step.wait == .soak && isUnknownBefore(step) {
                let isOnItsWay = steering.steps.contains {
                    $0.name == "staging" && $0.artifact == step.artifact
                }
                if isOnItsWay { continue }
                // What a tag brought straight to production: somebody promotes it to the one before.
                var called = Steering.Step(
                    key: Steering.Step.Key(run: nextRun, position: 1), kind: .deploy, name: "staging",
                    origin: origin(.promote, step.origin.revision, isPlain: true), artifact: step.artifact,
                    content: step.content, by: "ann")
                called.origin.madeBy = step.origin.madeBy ?? step.key.run
                decide(.called(called))
                nextRun += 1
            }
            work()
            for step in steering.steps where step.status == .running { finish(step, well: true) }
            if let next = steering.steps.compactMap(\.wakesAt).min(),
                !steering.steps.contains(where: { $0.status == .queued })
            {
                now = max(now, next)
            }
            decide(.looked)
        }
        for step in steering.steps {
            fault("\(step.key) at \(step.name) is stuck: \(step.status), \(step.reason ?? "no reason")")
        }
    }
}
