import GitKit

@testable import Shipit

/// One random history: what happens is drawn, the machine decides, and the page of rules and a book of what was done
/// judge every step of it.
struct SteeringHistory {
    var random: Seeded
    var steering: Steering
    var now = Timestamp(milliseconds: 1_790_000_000_000)
    var nextRun: Int64 = 1
    var nextDeployment: Int64 = 1
    var nextApproval: Int64 = 1
    /// Every job that there ever was, and where it stands.
    var book: [Steering.Step.Key: Shipit.Status] = [:]
    /// How often each deployment began after a decision to let it begin.
    var begun: [Steering.Step.Key: Int] = [:]
    var permitted: [Steering.Step.Key: Int] = [:]
    var used: Set<Int64> = []
    var void: Set<Int64> = []
    var finished: [Steering.Step] = []
    var failed: [Steering.Step] = []
    /// How often each step was tried again by itself.
    var retried: [Steering.Step.Key: Int] = [:]
    /// What was rolled back, kept apart from what the machine remembers; and where that stops automatic promotion.
    var bad: [String: Set<Revision>] = [:]
    var isRolledBack: [String: Bool] = [:]
    var faults: [String] = []
    var happenings = 0

    /// Others that may take the place of the one it begins with.
    let policies: [Pipeline]

    init(seed: UInt64, _ pipeline: Pipeline, _ policies: [Pipeline]) {
        random = Seeded(seed: seed)
        self.policies = policies
        steering = Steering(pipeline: pipeline, policy: "p1", steps: [], places: [:], pause: nil)
    }

    mutating func fault(_ text: String) { faults.append("after \(happenings) happenings: \(text)") }

    // MARK: Carrying out

    mutating func decide(_ happening: Happening, _ record: (inout SteeringHistory) -> Void = { _ in }) {
        happenings += 1
        let former = steering.steps
        let actions = steering.decide(happening, at: now)
        record(&self)
        for action in actions {
            if case .supersede(let key, let run) = action { judge(superseded: key, by: run, happening, former) }
            carryOut(action)
        }
        if case .deployed(let key, _, let replaced) = happening { judge(live: key, replaced, former) }
        check()
    }

    /// Only what a newer run is live in place of may go although a person asked for it, or although the policy keeps it.
    mutating func judge(
        superseded key: Steering.Step.Key, by run: Int64, _ happening: Happening, _ former: [Steering.Step]
    ) {
        guard let step = former.first(where: { $0.key == key }) else { return fault("\(key) was over already") }
        if run <= key.run { fault("\(key) was superseded by the older run \(run)") }
        if step.status == .running { fault("\(key) was superseded while it ran") }
        if case .deployed(let live, _, _) = happening, live.run == run { return }
        if step.by != nil || step.isRollback { fault("\(key) was superseded, and a person asked for it") }
        if steering.pipeline.mode != .superseded { fault("\(key) was superseded in another mode") }
        if !steering.pipeline.supersedesWaiting, step.wait == .promotion || step.wait == .approval {
            fault("\(key) was superseded, and the policy keeps it")
        }
    }

    /// What waits for a person at an environment gives way to a newer revision that is live there.
    mutating func judge(live key: Steering.Step.Key, _ replaced: Revision?, _ former: [Steering.Step]) {
        guard let step = former.first(where: { $0.key == key }) else { return }
        let (name, revision) = (step.name, step.origin.revision)
        if step.isRollback {
            if let replaced, replaced != revision { bad[name, default: []].insert(replaced) }
            if steering.places[name]?.hold == nil { fault("nothing holds \(name) after a rollback") }
            return
        }
        if step.by != nil {
            bad[name]?.remove(revision)
            if steering.places[name]?.hold?.kind == .rollback { fault("\(name) is held after a promotion by a person") }
        }
        let chain = steering.pipeline.environments.filter { $0.promotion != .none }.map(\.name)
        if let place = chain.firstIndex(of: name), place + 1 < chain.count,
            book[Steering.Step.Key(run: key.run, position: key.position + 1)] == nil
        {
            fault("\(key) is live in \(name) and goes no further")
        }
        let older = steering.steps.filter { other in
            guard other.name == step.name, other.key.run < key.run, other.status == .waiting, !other.isRollback else {
                return false
            }
            // A promotion by hand is as old as the run that brought its revision.
            guard let maker = step.origin.madeBy, other.origin.revision != revision else { return true }
            return (other.origin.madeBy ?? other.key.run) <= maker
        }
        for left in older { fault("\(left.key) waits on behind the newer \(key)") }
    }

    /// The policy changes, and what waits is judged by the new one from now on.
    mutating func changePolicy(to pipeline: Pipeline, _ digest: String) {
        steering = Steering(
            pipeline: pipeline, policy: digest, steps: steering.steps, places: steering.places, pause: steering.pause,
            bad: steering.bad, verified: steering.verified)
        decide(.looked)
    }

    mutating func move(_ key: Steering.Step.Key, to status: Shipit.Status) {
        guard let former = book[key] else { return fault("\(key) was never made") }
        if former != status, !former.permits(status) { fault("\(key): \(former) → \(status)") }
        book[key] = status
    }

    mutating func carryOut(_ action: Action) {
        switch action {
        case .make(let step):
            if book[step.key] != nil { fault("\(step.key) was made twice") }
            book[step.key] = step.status
            permitted[step.key] = 1
        case .wait(let key, _, let reason, let until):
            move(key, to: .waiting)
            if reason.isEmpty { fault("\(key) waits without a reason") }
            if let until, until <= now { fault("\(key) is to be looked at in the past") }
        case .queue(let key): move(key, to: .queued)
        case .supersede(let key, _):
            move(key, to: .superseded)
        case .retry(let key, let count, let most):
            move(key, to: .queued)
            permitted[key, default: 0] += 1
            retried[key, default: 0] += 1
            if count > most || retried[key] != count || most > 1 {
                fault("\(key) is tried again for the time \(count)")
            }
        case .void(let approval, _, _, let why):
            if why.isEmpty || !void.insert(approval).inserted {
                fault("approval \(approval) is void twice, or for nothing")
            }
        case .use(let approvals, _):
            for approval in approvals where !used.insert(approval).inserted || void.contains(approval) {
                fault("approval \(approval) counted twice, or was void")
            }
        case .markBad, .unmarkBad, .hold, .liftRollbackHold: break
        }
    }

    /// What has to be true whatever happened.
    mutating func check() {
        let page = PageOfRules(steering: steering, now: now)
        for step in steering.steps {
            if book[step.key] != step.status {
                fault("\(step.key) is \(step.status), and the book has \(String(describing: book[step.key]))")
            }
            switch step.status {
            case .queued where !page.mayBegin(step): fault("\(step.key) may begin at \(step.name) and must not")
            case .waiting where page.mayBegin(step):
                fault("\(step.key) waits at \(step.name) for nothing: \(step.reason ?? "")")
            case .waiting where step.reason?.isEmpty ?? true: fault("\(step.key) waits without a reason")
            case .waiting where step.wakesAt == nil && isTime(step): fault("nobody will look at \(step.key) again")
            default: break
            }
        }
        for name in steering.pipeline.environments.map(\.name)
        where steering.bad[name, default: []] != bad[name, default: []] {
            fault("other revisions are bad in \(name) than were rolled back there")
        }
        for (key, status) in book where !status.isFinal && !steering.steps.contains(where: { $0.key == key }) {
            fault("\(key) is \(status) and forgotten")
        }
        for name in steering.pipeline.environments.map(\.name) {
            let running = steering.steps.filter { $0.kind == .deploy && $0.name == name && $0.status == .running }
            if running.count > 1 { fault("\(running.count) deployments at once in \(name)") }
        }
    }

    /// Whether it goes on by itself at some time; a soak that has not begun waits for a deployment.
    private func isTime(_ step: Steering.Step) -> Bool {
        switch step.wait {
        case .window, .freeze: true
        case .soak: !isUnknownBefore(step)
        default: false
        }
    }

    func isUnknownBefore(_ step: Steering.Step) -> Bool {
        guard let before = steering.pipeline.before(step.name) else { return false }
        return step.artifact.flatMap { steering.verified[before.name]?[$0] } == nil
    }

    // MARK: The worker

    /// Begins what the schedule chooses, as a worker does.
    mutating func work() {
        let open = steering.steps.filter { $0.status == .queued || $0.status == .running }.map { step in
            OpenJob(job: step.asJob, runKind: step.origin.kind)
        }
        var schedule = Schedule()
        if steering.pipeline.mode == .parallel { schedule.parallel = ["blog": 3] }
        for job in schedule.next(open) {
            let key = Steering.Step.Key(run: job.run, position: job.position)
            decide(.looked)
            guard let step = steering.steps.first(where: { $0.key == key }), step.status == .queued else { continue }
            if !PageOfRules(steering: steering, now: now).mayBegin(step) { fault("\(key) begins and must not") }
            if !step.isInterrupted { begun[key, default: 0] += 1 }
            if begun[key, default: 0] > permitted[key, default: 0] { fault("\(key) begins once more than it was let") }
            let former = used.count
            decide(.begun(key)) { $0.move(key, to: .running) }
            let rules = steering.pipeline.environments.first { $0.name == step.name }?.approvals
            let isExempt = step.kind == .build || step.isRollback || step.isEmergency || step.isInterrupted
            if let rules, !isExempt, used.count - former < rules.needed { fault("\(key) began and used no approvals") }
        }
    }

    mutating func choose(_ steps: [Steering.Step]) -> Steering.Step? {
        steps.isEmpty ? nil : steps[Int(random.next() % UInt64(steps.count))]
    }

    mutating func finish(_ step: Steering.Step, well: Bool) {
        if step.kind == .build, well {
            decide(.built(step.key, artifact: step.key.run, content: "c\(step.key.run)")) {
                $0.move(step.key, to: .succeeded)
            }
        } else if well {
            let deployment = nextDeployment
            nextDeployment += 1
            let before = steering.steps
            let former = finished.last { $0.name == step.name }?.origin.revision
            decide(.deployed(step.key, deployment: deployment, from: former)) { $0.move(step.key, to: .succeeded) }
            finished.append(step)
            for other in before
            where other.name == step.name && other.status == .waiting && step.origin.kind == .promote
                && other.origin.revision != step.origin.revision && other.key.run > step.origin.madeBy ?? 0
                && other.origin.kind != .promote && book[other.key] == .superseded
            {
                fault("\(other.key) is newer than what \(step.key) promoted, and was superseded by it")
            }
        } else {
            let status: Shipit.Status = random.next() % 3 == 0 ? .errored : .failed
            failed.append(step)
            decide(.ended(step.key, status)) { $0.move(step.key, to: status) }
        }
    }
}

extension Steering.Step {
    fileprivate var asJob: Job {
        Job(
            id: key.run * 10 + Int64(key.position), run: key.run, app: "blog", position: key.position, name: name,
            kind: kind, status: status, waits: wait, reason: reason, attempt: 0, worker: nil, policy: "",
            artifact: artifact, backTo: isRollback ? 1 : nil, ignoresStopFailures: false, isEmergency: isEmergency,
            by: by, why: nil, retries: retries, wakesAt: wakesAt, cancelledBy: nil, startedAt: nil, endedAt: nil,
            duration: nil)
    }
}
