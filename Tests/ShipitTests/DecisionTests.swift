import Foundation
import GitKit
import Testing

@testable import Shipit

private let revision = ObjectID(String(repeating: "a", count: 40))!

private func job(
    _ run: Int64, _ name: String = "build", _ status: Status = .queued, by: String? = nil, app: String = "blog"
) -> Job {
    Job(
        id: run * 10 + (name == "build" ? 0 : 1), run: run, app: app, position: 0, name: name,
        kind: name == "build" ? .build : .deploy,
        status: status, waits: nil, reason: nil, attempt: 0, worker: nil, policy: "", artifact: nil, backTo: nil,
        ignoresStopFailures: false, isEmergency: false, by: by, why: nil, retries: 0, wakesAt: nil,
        cancelledBy: nil, startedAt: nil, endedAt: nil, duration: nil)
}

@Suite struct StatusTests {
    @Test func `only these changes of state are permitted`() {
        let permitted: [Status: Set<Status>] = [
            .queued: [.running, .waiting, .cancelled, .superseded, .errored],
            .waiting: [.queued, .cancelled, .superseded, .errored],
            .running: [.queued, .succeeded, .failed, .errored, .cancelled],
            .failed: [.queued], .errored: [.queued], .cancelled: [.queued],
        ]
        for from in Status.allCases {
            for to in Status.allCases {
                #expect(from.permits(to) == (permitted[from]?.contains(to) ?? false), "\(from) → \(to)")
            }
        }
        #expect(Status.allCases.filter(\.isFinal) == [.succeeded, .failed, .errored, .cancelled, .superseded])
    }
}

@Suite struct ScheduleTests {
    private func next(_ jobs: [(Job, Run.Kind)], tidying: [Job] = []) -> [Int64] {
        Schedule().next(jobs.map { OpenJob(job: $0.0, runKind: $0.1) }, tidying: tidying).map(\.run)
    }

    @Test func `builds go one at a time, in the order of their runs`() {
        #expect(next([(job(3), .push), (job(2), .start), (job(1), .push)]) == [1])
        #expect(next([(job(1, "build", .running), .push), (job(2), .push)]) == [])
    }

    @Test func `a deployment never waits for a build`() {
        #expect(next([(job(1, "build", .running), .push), (job(2, "staging"), .push)]) == [2])
        #expect(Set(next([(job(3), .push), (job(2, "staging"), .push)])) == [2, 3])
    }

    @Test func `an environment takes one deployment at a time, and each its own`() {
        #expect(next([(job(1, "staging", .running), .push), (job(2, "staging"), .push)]) == [])
        #expect(next([(job(1, "staging", .running), .push), (job(2, "production"), .push)]) == [2])
        #expect(Set(next([(job(1, "staging"), .push), (job(2, "staging", app: "shop"), .push)])) == [1, 2])
    }

    @Test func `rollback goes first, then what a person promoted, then pushes`() {
        let jobs: [(Job, Run.Kind)] = [
            (job(1, "production"), .push), (job(2, "production", by: "ann"), .promote),
            (job(3, "production", by: "ann"), .rollback),
        ]
        #expect(next(jobs) == [3])
        #expect(next(Array(jobs.prefix(2))) == [2])
        #expect(next(Array(jobs.prefix(1))) == [1])
    }

    @Test func `a place that is still being tidied up is busy`() {
        #expect(next([(job(2, "staging"), .push)], tidying: [job(1, "staging", .succeeded)]) == [])
    }
}

@Suite struct BuildPhasesTests {
    /// AWS reference 3.4: which phases run when these fail.
    @Test(
        arguments: [
            ([], nil, 4),
            (["install"], nil, 1), (["install"], .abort, 1), (["install"], .continue, 4),
            (["install"], .retry(times: 1, pattern: nil), 1),
            (["pre_build"], nil, 2), (["pre_build"], .abort, 2), (["pre_build"], .continue, 4),
            (["build"], nil, 4), (["build"], .abort, 3), (["build"], .continue, 4),
            (["build"], .retry(times: 1, pattern: nil), 4),
            (["post_build"], nil, 4), (["post_build"], .abort, 4),
            (["build", "post_build"], nil, 4), (["install", "pre_build"], .continue, 4),
        ] as [([String], Buildspec.OnFailure?, Int)])
    func `after a failure the phases go on as AWS's do`(failing: [String], then: Buildspec.OnFailure?, count: Int) {
        var states = BuildPhases()
        var ran: [String] = []
        for phase in Buildspec.PhaseName.allCases where states.runs(phase) {
            ran.append(phase.rawValue)
            if phase == .postBuild { #expect(states.isSucceeding == failing.filter { $0 != "post_build" }.isEmpty) }
            if failing.contains(phase.rawValue) { states.fail(phase, then) }
        }
        #expect(ran == Buildspec.PhaseName.allCases.prefix(count).map(\.rawValue))
        #expect(states.isSucceeding == failing.isEmpty)
    }
}

@Suite struct RetentionTests {
    private func deployment(_ id: Int64, _ status: Status, release: Int?) -> Deployment {
        Deployment(
            id: id, job: id, run: id, app: "blog", environment: "staging", kind: .deploy, revision: revision,
            artifact: 1,
            release: release, previous: nil, status: status, reason: nil, by: "ann", createdAt: .now, endedAt: nil,
            duration: nil, token: id, irreversible: nil, isEmergency: false)
    }

    /// Releases 1, 2, 3 … in this order of outcomes.
    private func kept(_ outcomes: [Status], live: Int?, previous: Int?, keep: Int) -> [Int] {
        let all = outcomes.enumerated().map { deployment(Int64($0.offset + 1), $0.element, release: $0.offset + 1) }
        let state = EnvironmentState(
            app: "blog", name: "staging", live: live.map { all[$0 - 1] }, previous: previous.map { all[$0 - 1] },
            hold: nil)
        return Retention.kept(state, all.reversed(), keep: keep).sorted()
    }

    @Test func `the live release, the one before it and the newest good ones stay`() {
        let good = [Status](repeating: .succeeded, count: 9)
        #expect(kept(good, live: 9, previous: 8, keep: 2) == [6, 7, 8, 9])
        #expect(kept(good, live: 9, previous: 8, keep: 0) == [8, 9])
    }

    @Test func `failed releases never push out good ones`() {
        let outcomes: [Status] = [.succeeded, .succeeded, .failed, .errored, .cancelled, .failed, .succeeded, .failed]
        #expect(kept(outcomes, live: 7, previous: 2, keep: 1) == [1, 2, 7])
        #expect(kept(outcomes, live: 7, previous: 2, keep: 5) == [1, 2, 7])
    }

    @Test func `after a rollback the old live release stays whatever its age`() {
        let good = [Status](repeating: .succeeded, count: 9)
        #expect(kept(good, live: 2, previous: 9, keep: 1) == [2, 8, 9])
    }

    @Test func `a release that is being made stays`() {
        #expect(kept([.succeeded, .succeeded, .running], live: 2, previous: 1, keep: 0) == [1, 2, 3])
        #expect(kept([.succeeded, .queued], live: 1, previous: nil, keep: 0) == [1, 2])
    }

    @Test func `two deployments of one release count once`() {
        let all = [
            deployment(1, .succeeded, release: 1), deployment(2, .succeeded, release: 2),
            deployment(3, .succeeded, release: 2),
        ]
        let state = EnvironmentState(app: "blog", name: "staging", live: nil, previous: nil, hold: nil)
        #expect(Retention.kept(state, all.reversed(), keep: 2) == [1, 2])
    }

    @Test(
        arguments: [
            ("7-3f2a91c", 7), ("12-" + String(repeating: "a", count: 40), 12), ("0-3f2a91c", nil), ("-1-3f2a91c", nil),
            ("x-3f2a91c", nil),
            ("7", nil), ("7-", nil), ("7-3f2a91c-x", nil), ("7-3f2", nil), ("7-3f2a91ぁ", nil), ("current", nil),
            ("..", nil),
        ] as [(String, Int?)])
    func `a release's folder is named by its number and revision, and nothing else is one`(name: String, number: Int?) {
        #expect(ReleaseName.number(name) == number)
    }
}
