import GitKit
import Spool

/// Who pushed, and whether they could have typed shipit's commands themselves.
struct Pusher: Hashable, Sendable {
    /// As the history has it: `ann`, `ann (GL_USERNAME)`.
    var by: String
    var reachesShipit: Bool

    static let unknown = Pusher(by: "unknown (found by comparing)", reachesShipit: false)
}

/// Decides what the references that one push moved mean for one app; it only reads.
struct PushDecision {
    let installation: Installation
    let app: App
    /// The app's references as they were before the push.
    let known: [String: Revision]
    /// All that the push moved.
    let updates: [Push.Update]
    let options: PushOptions
    let pusher: Pusher
    let log: @Sendable (String) -> Void

    private var pipeline: Pipeline { app.pipeline }

    /// `isGap`: older pushes may come late, so a reference may have moved on.
    func decide(_ update: Push.Update, isGap: Bool) throws -> Intake.Update {
        let name = ReferenceName(bytes: update.reference)
        let new = String(decoding: update.new, as: UTF8.self)
        guard name.isBranch || name.isTag else {
            let reason = "only branches and tags ship; \(command(String(new.prefix(7)))) ships it anyway"
            return leave(update, reason, moves: false)
        }
        let what = "the \(name.isBranch ? "branch" : "tag") \(name.short)"
        let isNamed = pipeline.ships(update.reference)
        guard !update.isDelete else {
            let reason = "the \(name.isBranch ? "branch" : "tag") was deleted"
            return isNamed ? ignore(update, reason, moves: true) : leave(update, reason, moves: false)
        }
        guard isNamed || options.to != nil || options.problem != nil else {
            let reason = "no trigger of \(app.name) names \(what); \(command(name.short)) ships it anyway"
            return leave(update, reason, moves: false)
        }
        guard let pushed = ObjectID(new) else {
            return ignore(update, "the new id is not an object id", moves: false)
        }
        let repository = try app.repository()
        let commit: ObjectID?
        do {
            commit = try repository.commitID(of: pushed)
        } catch let error as GitError where error.code == .notFound {
            return ignore(
                update, "the commit \(pushed.abbreviated()) is gone from the repository", moves: false)
        }
        guard let commit else { return ignore(update, "it does not lead to a commit", moves: isNamed) }
        // A push that comes late, after a newer one was taken in, must not become the newest run.
        if isGap, let last = known[name.text], try repository.target(of: name) == last {
            return ignore(
                update, "found late: \(name.short) had moved on to \(last.abbreviated())", moves: false)
        }
        let trigger = try trigger(for: update, name, commit, repository)
        guard trigger != nil || !isNamed else {
            let reason =
                "no file that changed is among the paths of \(app.name); \(command(name.short)) ships it anyway"
            return leave(update, reason, moves: true)
        }
        if let reason = try skip(name, commit, repository, trigger) { return ignore(update, reason, moves: isNamed) }
        do {
            let course = try course(trigger)
            return Intake.Update(
                app: app.name, reference: name.text, old: String(decoding: update.old, as: UTF8.self), new: pushed.hex,
                outcome: .run(commit, app.policy, course), moves: isNamed)
        } catch let error as ShipitError where error.code != .failure {
            let hint = error.hint.map { " (\($0))" } ?? ""
            return ignore(
                update, "\(error.message)\(hint); \(command(name.short, trigger)) ships it as far as pushes go",
                moves: isNamed)
        }
    }

    // MARK: Whether

    /// The first trigger that names the reference, and among whose paths a changed file is.
    private func trigger(
        for update: Push.Update, _ name: ReferenceName, _ commit: ObjectID, _ repository: Repository
    ) throws -> Trigger? {
        var base: ObjectID??
        for trigger in pipeline.triggers where trigger.names(update.reference) {
            guard let paths = trigger.paths else { return trigger }
            do {
                let from = try base ?? self.base(of: update, name, commit, repository)
                base = .some(from)
                if try repository.hasChange(from: from, to: commit, where: { paths.matches($0.path) }) {
                    return trigger
                }
            } catch let error as GitError {
                // What cannot be compared may have changed; a build that is not needed harms less than one that is missing.
                log("\(app.name): the files that changed cannot be listed, so all count: \(error)")
                return trigger
            }
        }
        return nil
    }

    /// What the changed files are judged against: what the reference held, or where a new branch left the others.
    ///
    /// Nil where there is nothing to compare with: then every file counts.
    private func base(
        of update: Push.Update, _ name: ReferenceName, _ commit: ObjectID, _ repository: Repository
    ) throws -> ObjectID? {
        if !update.isCreate, let old = ObjectID(String(decoding: update.old, as: UTF8.self)), repository.contains(old) {
            return try repository.commitID(of: old)
        }
        var best: ObjectID?
        for other in try others(than: name, repository) {
            guard let base = try repository.mergeBase(commit, other), base != best else { continue }
            if let present = best, try repository.isAncestor(present, of: base) != true { continue }
            best = base
        }
        return best
    }

    /// Where the other branches stood before the push: the default branch, and those that triggers name.
    private func others(than name: ReferenceName, _ repository: Repository) throws -> [ObjectID] {
        var others = known.filter { $0.key.hasPrefix("refs/heads/") && $0.key != name.text }
        let head = try repository.head
        if let head, head != name, others[head.text] == nil {
            let moved = updates.first { $0.reference == head.bytes }
            others[head.text] =
                try moved.map { $0.isCreate ? nil : ObjectID(String(decoding: $0.old, as: UTF8.self)) }
                ?? repository.target(of: head)
        }
        let most = Self.comparisons(forEachOf: updates.count(where: \.isCreate))
        // The default branch first: most branches leave that one.
        let inOrder = others.sorted { ($0.key == head?.text ? 0 : 1, $0.key) < ($1.key == head?.text ? 0 : 1, $1.key) }
        return inOrder.prefix(most).map(\.value)
    }

    /// With how many branches each of the new ones is compared: every one costs a walk through history, and whoever pushes
    /// a thousand branches must not keep the worker from everything else.
    static func comparisons(forEachOf created: Int) -> Int { max(1, min(64, 256 / max(1, created))) }

    private func skip(
        _ name: ReferenceName, _ commit: ObjectID, _ repository: Repository, _ trigger: Trigger?
    ) throws -> String? {
        if let problem = options.problem {
            return "\(problem); \(command(name.short, trigger, options)) ships it"
        }
        if options.skips {
            if let refusal = pipeline.allow.refusal(.skip, person: pusher.by) {
                return
                    "\(refusal.message) (\(refusal.hint ?? "")), so it was not taken in; \(command(name.short, trigger)) ships it"
            }
            let why = options.skipReason.map { ": \($0)" } ?? ""
            return
                "skipped by \(pusher.by) with the push option skip\(why); \(command(name.short, trigger)) ships it anyway"
        }
        let message = try repository.commit(commit).message.lowercased()
        for mark in ["[skip ship]", "[ship skip]"] where message.contains(mark) {
            return
                "the message of \(commit.abbreviated()) says \(mark); \(command(name.short, trigger)) ships it anyway"
        }
        return nil
    }

    // MARK: Where to

    private func course(_ trigger: Trigger?) throws -> Course {
        let course = try Course(
            pipeline, entry: trigger?.to, to: options.to, promotes: options.promotes, reason: options.reason,
            variables: options.variables)
        try check(course, trigger)
        try installation.checkVariables(course.variables, of: app)
        return course
    }

    /// What an option may do is what its pusher may do.
    private func check(_ course: Course, _ trigger: Trigger?) throws {
        let person = pusher.by
        for (action, environment) in course.actions(pipeline, to: options.to, trigger: trigger) {
            if let refusal = pipeline.allow.refusal(action, in: environment, person: person) { throw refusal }
            // Who may push need not be one of those who may use shipit; then somebody has to say so.
            let needsName = action == .promote || action == .to
            guard needsName, !pusher.reachesShipit, !pipeline.allow.names(action, in: environment) else { continue }
            throw ShipitError(
                .unavailable, "\(person) pushes as somebody who cannot run shipit here, and no one is named for that",
                hint: "allow: { \(action.rawValue): [NAME] } in pipeline.yml permits it")
        }
    }

    // MARK: Words

    /// What ships it as the push would have done, had nothing been in the way.
    private func command(_ name: String, _ trigger: Trigger? = nil, _ options: PushOptions? = nil) -> String {
        let first = pipeline.chain.first?.name
        var goal = trigger?.to == first ? nil : trigger?.to
        if options?.promotes == true { goal = pipeline.after(goal ?? first ?? "")?.name ?? goal }
        return (options ?? PushOptions([], foreign: [])).command(
            name, goal: options?.to == nil ? goal : nil, app: installation.appNames().count > 1 ? app.name : nil)
    }

    private func ignore(_ update: Push.Update, _ reason: String, moves: Bool) -> Intake.Update {
        Intake.Update(ignoring: update, app: app.name, reason, moves: moves)
    }

    /// Nothing of it concerns the app.
    private func leave(_ update: Push.Update, _ reason: String, moves: Bool) -> Intake.Update {
        Intake.Update(ignoring: update, app: app.name, reason, isUnconcerned: true, moves: moves)
    }
}

extension Course {
    /// What a person needs to be allowed to start this.
    ///
    /// Into the environment that a trigger names, a push goes by itself.
    func actions(_ pipeline: Pipeline, to: String?, trigger: Trigger? = nil) -> [(Allowance.Action, String?)] {
        var actions: [(Allowance.Action, String?)] = to == nil ? [] : [(.to, nil)]
        if let entry, entry != trigger?.to { actions.append((.promote, entry)) }
        for environment in promotions(pipeline) { actions.append((.promote, environment)) }
        if !variables.isEmpty { actions.append((.variable, nil)) }
        return actions
    }
}

extension Intake.Update {
    init(ignoring update: Push.Update, app: String, _ reason: String, isUnconcerned: Bool = false, moves: Bool) {
        self.init(
            app: app, reference: ReferenceName(bytes: update.reference).text,
            old: String(decoding: update.old, as: UTF8.self), new: String(decoding: update.new, as: UTF8.self),
            outcome: isUnconcerned ? .unconcerned(reason) : .ignored(reason), moves: moves)
    }
}
