/// Which queued jobs may begin now, as a pure decision.
///
/// Builds: one at a time, in the order of their runs. Deployments: one at a time in each environment, never waiting for
/// a build; a rollback first, then what a person promoted, then pushes in their order.
struct Schedule: Hashable, Sendable {
    var builds = 1

    /// `tidying`: jobs that the ledger calls finished and whose place is still being tidied up.
    func next(_ open: [OpenJob], tidying: [Job] = []) -> [Job] {
        let running = open.filter { $0.job.status == .running }
        var busy = Set((running.map(\.job) + tidying).filter { $0.kind == .deploy }.map { Place($0) })
        var building = running.count { $0.job.kind == .build }
        var chosen: [Job] = []
        let queued = open.filter { $0.job.status == .queued }
        for candidate in queued.sorted(by: { (rank($0), $0.job.run) < (rank($1), $1.job.run) }) {
            switch candidate.job.kind {
            case .build where building < builds:
                building += 1
                chosen.append(candidate.job)
            case .deploy where busy.insert(Place(candidate.job)).inserted: chosen.append(candidate.job)
            default: continue
            }
        }
        return chosen
    }

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
