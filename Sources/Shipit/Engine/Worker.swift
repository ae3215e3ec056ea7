import ArtifactKit
import CLinux
import GitKit
import Glibc
public import Logging
public import ServiceLifecycle
import Spool
import Synchronization

/// Takes pushes in, takes jobs, and carries them out; at most one per home.
///
/// Everything that it knows is in the ledger and on the disk: it may be killed at any time, and the next one goes on.
public final class Worker: Service {
    public enum Stay: Hashable, Sendable {
        /// Until there is nothing to do.
        case untilIdle
        /// Until it is told to stop.
        case always
    }

    let installation: Installation
    private let stay: Stay
    let logger: Logger
    let watch: Watch
    let isStopping = Mutex(false)
    private let running = Mutex<[Int64: Running]>([:])
    /// Targets whose next release is prepared; a deployment there stops that first.
    let preparing = Mutex<[Place: Cancellation]>([:])
    let chores = Mutex<Set<Chore>>([])
    /// Apps whose mirrors were brought up to date since references were compared last.
    let fetched = Mutex<Set<String>>([])

    /// Where one deployment happens at a time.
    struct Place: Hashable, Sendable {
        let app: String
        let environment: String
    }

    private struct Running: Sendable {
        let job: Job
        let cancellation: Cancellation
    }

    public init(_ installation: Installation, stay: Stay, logger: Logger) throws {
        self.installation = installation
        self.stay = stay
        self.logger = logger
        linux_share_heaps()
        watch = try Watch(installation.home)
    }

    func isAtWork(on app: String) -> Bool { running.withLock { $0.values.contains { $0.job.app == app } } }

    /// Works until idle or told to stop; returns at once when another worker is at it and this one need not stay.
    public func run() async throws {
        // Not the pusher's: it decides the modes of what hook scripts and builds make.
        umask(0o022)
        try await withGracefulShutdownHandler {
            try await withTaskCancellationHandler {
                try await workWhileThereIsWork()
            } onCancel: {
                self.stop()
            }
        } onGracefulShutdown: {
            self.stop()
        }
    }

    /// Takes no new jobs, stops builds so that they begin again later, and lets deployments come to their end.
    private func stop() {
        isStopping.withLock { $0 = true }
        for running in running.withLock({ Array($0.values) }) where running.job.kind == .build {
            running.cancellation.cancel()
        }
        for preparation in preparing.withLock({ Array($0.values) }) { preparation.cancel() }
        watch.wake()
    }

    private func workWhileThereIsWork() async throws {
        var isAnnounced = false
        while !isStopping.withLock({ $0 }) {
            guard let lock = try WorkerLock.takeOver(installation) else {
                if stay == .untilIdle { return }
                if !isAnnounced, let other = try installation.ledger.lastWorker() {
                    logger.info("another worker is at it, process \(other.pid); this one waits for its turn")
                    isAnnounced = true
                }
                await watch.wait(.seconds(2))
                continue
            }
            try await work(holding: lock)
            // A push that found the lock held relies on this look after it was let go.
            if stay == .untilIdle, !hasWork, !hasNews { return }
        }
    }

    private var hasWork: Bool {
        if FileSystem.names(in: installation.home.spool).contains(where: { $0.hasSuffix(".push") }) { return true }
        // A ledger that cannot be read now is met again by whoever comes next.
        return (try? installation.ledger.hasWork()) ?? false
    }

    // MARK: Working

    private func work(holding lock: consuming WorkerLock) async throws {
        warmUp()
        // A worker takes its row away when it ends in order.
        let followsDeath = try installation.ledger.lastWorker() != nil
        let id = try installation.ledger.registerWorker(
            pid: getpid(), startTicks: ProcessSweep.startTicks(of: getpid()) ?? 0, boot: Boot.id,
            beat: Boot.milliseconds)
        logger.info("worker \(id) begins", metadata: ["pid": "\(getpid())"])
        let logger = logger
        ArtifactStore.sweep(installation.home)
        BuildCache.sweep(installation.home)
        for left in Workspaces.sweep(installation.home) {
            logger.warning("a workspace could not be removed: \(left)")
        }
        do {
            try SpoolFile.removeLeftovers(in: installation.home.spool, olderThan: 3600)
        } catch {
            logger.warning("what killed hooks left stays in the spool: \(error)")
        }
        let obstacle = SandboxObstacle()
        let intaking = Intaking(installation) { logger.info("\($0)") }
        let notifier = try Notifier(installation, logger: logger) { [watch] in watch.wake() }
        let references = stay == .always ? ReferenceWatch.begin { logger.warning("\($0)") } : nil
        try await withThrowingDiscardingTaskGroup { group in
            // From a task of its own: a worker that recovers, tidies up or stops is alive too.
            group.addTask { [self] in await beat(id) }
            group.addTask { await notifier.run(afterDeath: followsDeath) }
            if let references { group.addTask { [self] in await references.run { self.watch.wake() } } }
            try await Recovery(installation: installation, worker: id, logger: logger).run()
            if followsDeath {
                for app in installation.apps().apps {
                    await tidyUp(app.name, "its worker died") { $0.pipeline.environments }
                    await collect(app.name, sweeping: true)
                }
            }
            var rhythm = Rhythm()
            var hasGoneOn = false
            while true {
                let stopping = isStopping.withLock { $0 }
                do {
                    if !stopping {
                        try step(id, intaking, references, &rhythm) { start($0, $1, obstacle, &group) }
                        rhythm.nextUpkeep = try beginUpkeep(&group)
                    }
                    rhythm.trouble = nil
                } catch {
                    // A full disk or a locked ledger: nothing is lost, and the next round may find it better.
                    rhythm.trouble = (rhythm.trouble ?? 0) + 1
                    logger.error("\(error)")
                    if stay == .untilIdle, (rhythm.trouble ?? 0) > 30 { throw error }
                }
                if !hasGoneOn, running.withLock({ $0.isEmpty }) {
                    hasGoneOn = true
                    if !stopping { goOnPreparing(&group) }
                }
                let isBusy = running.withLock { !$0.isEmpty } || preparing.withLock { !$0.isEmpty }
                if stopping, !isBusy { break }
                let isIdle = !isBusy && chores.withLock { $0.isEmpty } && fetched.withLock { $0.isEmpty }
                if stay == .untilIdle, isIdle, rhythm.trouble == nil, !intaking.isWaiting, !hasWork,
                    self.isIdle(notifier)
                {
                    break
                }
                if let trouble = rhythm.trouble, !stopping {
                    // Not the watch: what is written to the log about the trouble would end its wait at once.
                    try? await Task.sleep(for: .milliseconds(min(10_000, 250 * trouble)))  // cut short: look again
                } else {
                    if isIdle, !stopping { sayWhatIsNext(&rhythm) }
                    await watch.wait(rhythm.pause(isWaiting: intaking.isWaiting))
                }
            }
            group.cancelAll()
        }
        notifier.settle()
        do {
            try installation.ledger.removeWorker(id)
        } catch {
            logger.warning("worker \(id) will count as dead: \(error)")
        }
        logger.info("worker \(id) ends")
        _ = consume lock
    }

    /// Begins with what takes long and every job needs, beside everything else: libgit2 reads the machine's certificates
    /// when it starts.
    private func warmUp() {
        // Whoever opens a repository meets the error.
        Task.detached { await onThread { try? Repository.globalSetUp() } }
    }

    /// Says that this worker lives, until the task is cancelled.
    private func beat(_ id: Int64) async {
        while !Task.isCancelled {
            // A beat that cannot be written is followed by another before anybody takes this worker for dead.
            try? installation.ledger.beat(worker: id, at: Boot.milliseconds)
            try? await Task.sleep(for: .seconds(10))  // cut short when the worker ends
        }
    }

    /// When what is due again.
    struct Rhythm {
        var lastComparison: ContinuousClock.Instant?
        var nextTime: Timestamp?
        var saidTime: Timestamp?
        var nextUpkeep: Timestamp?
        var trouble: Int?

        func pause(isWaiting: Bool) -> Duration {
            if isWaiting { return .milliseconds(200) }
            var pause: Duration = .seconds(10)
            if let next = [nextTime, nextUpkeep].compactMap(\.self).min() {
                pause = min(pause, .milliseconds(max(1, next.milliseconds - Timestamp.now.milliseconds)))
            }
            return pause
        }
    }

    private func step(
        _ id: Int64, _ intaking: Intaking, _ references: ReferenceWatch?, _ rhythm: inout Rhythm,
        start: (Job, Deployment?) -> Void
    ) throws {
        let now = ContinuousClock.now
        // What cannot be taken in now must not hold up what was taken in before.
        let intake = Result { try intaking.takeInSpool() }
        let rest = Result { try compareAndStart(id, intaking, references, &rhythm, now, start: start) }
        // Nobody waits for that.
        let removal = Result { try intaking.removeTakenIn() }
        try intake.get()
        try rest.get()
        try removal.get()
    }

    private func compareAndStart(
        _ id: Int64, _ intaking: Intaking, _ references: ReferenceWatch?, _ rhythm: inout Rhythm,
        _ now: ContinuousClock.Instant, start: (Job, Deployment?) -> Void
    ) throws {
        let due = rhythm.lastComparison.map { now - $0 >= (intaking.isWaiting ? .seconds(1) : .seconds(30)) } ?? true
        let moved = (references?.takeChanges() ?? []).union(takeFetched())
        if due || !moved.isEmpty {
            // What cannot be compared now is compared in the next round, all of it.
            let last = due ? now : rhythm.lastComparison
            rhythm.lastComparison = nil
            try intaking.compare(due ? nil : moved) { references?.follow($0) }
            rhythm.lastComparison = last
        }
        let schedule = try readPolicies()
        var moment = Timestamp.now
        var agenda = try installation.ledger.agenda()
        if agenda.hasHoldThatIsOver(at: moment) || agenda.hasWake(at: moment) {
            try installation.ledger.liftHoldsThatAreOver()
            try installation.ledger.lookAtWhatIsDue()
            moment = .now
            agenda = try installation.ledger.agenda()
        }
        rhythm.nextTime = agenda.nextTime(after: moment)
        for job in agenda.cancelled { running.withLock { $0[job]?.cancellation }?.cancel() }
        let tidying = running.withLock { $0.values.map(\.job) }
        for job in schedule.next(agenda.open, tidying: tidying) where running.withLock({ $0[job.id] }) == nil {
            if job.kind == .deploy,
                let preparation = preparing.withLock({ $0[Place(app: job.app, environment: job.name)] })
            {
                // Its end wakes the watch, and then it is this job's turn.
                preparation.cancel()
                continue
            }
            if let taken = try installation.ledger.take(job, worker: id) { start(taken.job, taken.deployment) }
        }
    }

    private func start(
        _ job: Job, _ deployment: Deployment?, _ obstacle: SandboxObstacle,
        _ group: inout ThrowingDiscardingTaskGroup<any Error>
    ) {
        let cancellation = Cancellation()
        running.withLock { $0[job.id] = Running(job: job, cancellation: cancellation) }
        group.addTask { [self] in
            await perform(job, deployment, cancellation, obstacle)
            let place = Place(app: job.app, environment: job.name)
            let preparation = deployment.map { _ in announcePreparation(place) }
            running.withLock { $0[job.id] = nil }
            watch.wake()
            if let preparation { await prepareSpares(place, preparation) }
        }
    }

    // MARK: Jobs

    private func perform(
        _ job: Job, _ deployment: Deployment?, _ cancellation: Cancellation, _ obstacle: SandboxObstacle
    ) async {
        let began = ContinuousClock.now
        logger.info("run \(job.run): \(job.name) begins", metadata: ["attempt": "\(job.attempt)"])
        do {
            guard let run = try installation.ledger.run(job.run)?.run else { return }
            let policy = try installation.policy(of: job)
            let log = try openLog(job)
            if let deployment {
                let deploy = DeployJob(
                    installation: installation, job: job, run: run, deployment: deployment, policy: policy, log: log)
                let failure = await deploy.perform(cancellation)
                let duration = ContinuousClock.now - began
                await record(job) { try deploy.record(failure, duration: duration) }
                try Failpoint.deployAfterFinish.reach()
                await noteScriptEdits(deployment, policy)
                await tidyUp(job.app, "run \(job.run)") { $0.pipeline.environment(job.name).map { [$0] } ?? [] }
                await collect(job.app)
            } else {
                let build = BuildJob(
                    installation: installation, job: job, run: run, policy: policy, log: log,
                    sandboxObstacle: { await obstacle.found() })
                try await finish(try await build.perform(cancellation), job, policy, log, began)
                // The deployment that comes next sees to it; a build that failed is the last of its run.
                if try installation.ledger.run(run.id)?.status.isFinal ?? true { await collect(job.app) }
            }
        } catch is CancellationError {
            await record(job) { try self.endCancelled(job, began) }
        } catch {
            let message = "\(error)"
            logger.error("run \(job.run): \(job.name): \(message)")
            await record(job) {
                // The log says it all; the reason is its first line, or the first error of a file.
                let log = try? self.openLog(job)  // the ledger has the reason even if the log cannot be written
                message.split(separator: "\n").forEach { log?.say(String($0)) }
                let first = (error as? Diagnostics)?.errors.first?.description
                let reason = first ?? message.split(separator: "\n").first.map(String.init) ?? message
                let status: Status = error is Diagnostics ? .failed : .errored
                try self.installation.ledger.end(job, as: Ending(status, reason, duration: ContinuousClock.now - began))
            }
        }
    }

    private func finish(
        _ result: BuildJob.Result, _ job: Job, _ policy: Policy, _ log: LogFile, _ began: ContinuousClock.Instant
    ) async throws {
        let duration = ContinuousClock.now - began
        try Failpoint.buildBeforeFinish.reach()
        switch result {
        case .made(let artifact):
            await record(job) {
                try self.installation.ledger.finishBuild(job, artifact: artifact.id, duration: duration, policy: policy)
            }
        case .ended(.cancelled, _): await record(job) { try self.endCancelled(job, began) }
        case .ended(let status, let reason):
            log.say("the build \(status.rawValue): \(reason)")
            await record(job) { try self.installation.ledger.end(job, as: Ending(status, reason, duration: duration)) }
        }
        try Failpoint.buildAfterFinish.reach()
    }

    /// A person cancelled it, or the worker stops and the next one takes it up again.
    private func endCancelled(_ job: Job, _ began: ContinuousClock.Instant) throws {
        let by = try installation.ledger.cancelRequests()[job.id]
        if by == nil, isStopping.withLock({ $0 }) {
            try installation.ledger.putBackInLine(job, because: "the worker was stopped")
            return
        }
        let reason = by.map { "cancelled by \($0)" } ?? "cancelled"
        try installation.ledger.end(job, as: Ending(.cancelled, reason, duration: ContinuousClock.now - began))
    }

    /// Writes an ending, again and again while the disk is full or the ledger locked: an effect without its record
    /// would be done twice.
    private func record(_ job: Job, _ write: () throws -> Void) async {
        for attempt in 1... {
            do {
                try write()
                return
            } catch {
                logger.error("run \(job.run): the ending of \(job.name) could not be recorded: \(error)")
                if isStopping.withLock({ $0 }) { return }
                // Sleeping is cut short when the worker stops; the next one recovers the job.
                try? await Task.sleep(for: .seconds(min(attempt, 10)))
            }
        }
    }
}

/// Whether builds can be enclosed here, found out at the first build and not before.
private actor SandboxObstacle {
    private var answer: String??

    func found() async -> String? {
        if let answer { return answer }
        let obstacle = await Sandbox.obstacle(as: Sandbox.buildUser)
        answer = .some(obstacle)
        return obstacle
    }
}
