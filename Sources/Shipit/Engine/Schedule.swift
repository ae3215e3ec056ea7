/// Which queued jobs may begin now, as a pure decision.
///
/// Builds: one at a time, in the order of their runs; those of apps in the mode `parallel` beside them. Deployments: one at a time in each environment, never waiting for
/// a build; a rollback first, then what a person promoted, then pushes in their order.
struct Schedule: Hashable, Sendable {
    var builds = 1
    /// Apps whose builds go side by side, and how many of them.
    var parallel: [String: Int] = [:]

    /// `tidying`: jobs that the ledger calls finished and whose place is still being tidied up.
    func next(_ open: [OpenJob], tidying: [Job] = []) -> [Job] {
        let running = open.filter { $0.job.status == .running }
        var busy = Set((running.map(\.job) + tidying).filter { $0.kind == .deploy }.map { Place($0) })
        var building: [String?: Int] = [:]
        for open in running where open.job.kind == .build { building[lane(open.job), default: 0] += 1 }
        var chosen: [Job] = []
        let queued = open.filter { $0.job.status == .queued }
        for candidate in queued.sorted(by: { place($0) < place($1) }) {
            switch candidate.job.kind {
            case .build:
                let lane = lane(candidate.job)
                guard building[lane, default: 0] < lane.flatMap({ parallel[$0] }) ?? builds else { continue }
                building[lane, default: 0] += 1
                chosen.append(candidate.job)
            case .deploy where busy.insert(Place(candidate.job)).inserted: chosen.append(candidate.job)
            default: continue
            }
        }
        return chosen
    }

    /// Builds take turns with those of the same lane; nil is that of all apps but the parallel ones.
    private func lane(_ job: Job) -> String? { parallel[job.app] == nil ? nil : job.app }

    private func place(_ open: OpenJob) -> (Int, Int, Int64) { (rank(open), open.isNext ? 0 : 1, open.job.run) }

    private struct Place: Hashable {
        let app: String
        let environment: String

        init(_ job: Job) { (app, environment) = (job.app, job.name) }
    }

    private func rank(_ open: OpenJob) -> Int {
        if open.runKind == .rollback { return 0 }
        return open.job.kind == .deploy && open.job.by != nil ? 1 : 2
    }
}
