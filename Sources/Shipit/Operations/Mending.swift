import ArtifactKit
import CLinux
import Glibc

/// Carries out repairs, each of which is looked at once more before anything is done.
struct Mending {
    let installation: Installation
    let setup: Setup

    /// What cannot be mended is said and stops nothing.
    func mend(_ findings: [Finding], say: (String) -> Void) async throws {
        // With the lock nobody else works here; without it a worker lives, and its things are left alone.
        let lock = try WorkerLock.take(installation.home)
        defer { withExtendedLifetime(lock) {} }
        var done: Set<Repair> = []
        for finding in findings {
            guard let repair = finding.repair, done.insert(repair).inserted else { continue }
            do {
                try await carryOut(repair, isAlone: lock != nil, say)
            } catch {
                say("\(finding.place) could not be mended: \(error)")
            }
        }
    }

    private func carryOut(_ repair: Repair, isAlone: Bool, _ say: (String) -> Void) async throws {
        switch repair {
        case .setMode(let path, let mode):
            guard chmod(path, mode) == 0 else { throw failure("change the mode of", path) }
            say("the mode of \(path) is \(String(mode, radix: 8)) now")
        case .removeFile(let path):
            guard isAlone else { return say("\(path) is left to the worker that lives") }
            guard unlink(path) == 0 || errno == ENOENT else { throw failure("remove", path) }
            say("removed \(path)")
        case .removeTree(let path):
            guard isAlone else { return say("\(path) is left to the worker that lives") }
            Workspaces.remove(path)
            say("removed \(path)")
        case .removeFromTarget(let target, let name):
            guard let lock = try TargetLock(taking: target) else {
                return say("\(target) is being deployed to and left alone")
            }
            defer { withExtendedLifetime(lock) {} }
            try Directory(path: target).removeTree(Array(name.utf8))
            say("removed \(target)/\(name)")
        case .pointCurrent(let target, let owner, let release): try point(target, owner, release, say)
        case .writeOwner(let target, let owner):
            _ = try Target(target, of: owner, patience: .zero)
            say("\(target) belongs to \(owner.app) \(owner.environment) again")
        case .setUp(let name):
            let app = try installation.app(name)
            let known = try installation.ledger.knownApps()[name]
            try await setup.mend(app, say: say)
            if known != app.pipeline.repository {
                say("the ledger knows \(name) with the repository \(app.pipeline.repository)")
            }
        case .references(let app):
            let app = try installation.app(app)
            for line in try await StateReferences(installation: installation).update(app) { say(line) }
            for change in try await StateNotes(installation: installation).update(app, all: true) {
                say("\(change.text == nil ? "removed" : "wrote") the note of \(change.name)")
            }
        case .endProcesses(let mark):
            ProcessSweep.end(marked: mark)
            say("ended what was left of \(mark)")
        }
    }

    /// Under the target's lock, and only if the ledger still says so and nothing is deployed there.
    private func point(_ path: String, _ owner: TargetOwner, _ release: String, _ say: (String) -> Void) throws {
        let ledger = installation.ledger
        let target = try Target(path, of: owner, patience: .zero)
        let isIdle = try ledger.openJobs().allSatisfy {
            $0.job.app != owner.app || $0.job.name != owner.environment || $0.job.status != .running
        }
        guard isIdle, try ledger.environment(owner.app, owner.environment).live?.releaseName == release else {
            return say("\(path) is being deployed to and left alone")
        }
        guard let check = try ReleaseCheck(release, in: target.root, path), check.damage.isEmpty else {
            return say("\(path)/releases/\(release) is not complete, so current is left alone")
        }
        try target.switchCurrent(to: release)
        say("\(path)/current leads to \(release) again; restart what runs from it")
    }

    private func failure(_ what: String, _ path: String) -> ShipitError {
        ShipitError(.failure, "could not \(what) \(path): \(systemReason(errno))")
    }
}
