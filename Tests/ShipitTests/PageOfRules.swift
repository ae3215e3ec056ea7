import GitKit

@testable import Shipit

/// The rules of docs/steering.md once more, as a page that people can check by eye: no obstacle in words, no actions, no
/// order, only whether a step may begin. Written apart from the machine that it judges.
struct PageOfRules {
    let steering: Steering
    let now: Timestamp

    func mayBegin(_ step: Steering.Step) -> Bool {
        if steering.pause != nil { return false }
        guard step.kind == .deploy else { return true }
        let place = steering.places[step.name]
        if let hold = place?.hold, hold.kind == .hold, hold.until.map({ now < $0 }) ?? true { return false }
        if step.isRollback || step.isEmergency || step.isInterrupted { return true }
        guard let rules = steering.pipeline.environments.first(where: { $0.name == step.name }) else { return false }
        return goesByItself(step, rules, place) && isItsTurn(step) && isApproved(step, rules, place)
            && hasSoaked(step, rules)
            && !rules.freezes.contains { $0.from <= now && now < $0.until }
            && (rules.windows.isEmpty || rules.windows.contains { $0.contains(now) })
    }

    private func isBad(_ step: Steering.Step, _ name: String) -> Bool {
        steering.bad[name]?.contains(step.origin.revision) ?? false
    }

    private func goesByItself(_ step: Steering.Step, _ rules: EnvironmentPolicy, _ place: Steering.Place?) -> Bool {
        if step.by != nil { return true }
        if rules.name == entry(of: step) { return !isBad(step, rules.name) || step.origin.kind != .push }
        if isBad(step, rules.name) || (before(rules.name).map { isBad(step, $0) } ?? false) { return false }
        return rules.promotion == .automatic && place?.hold?.kind != .rollback
    }

    private func entry(of step: Steering.Step) -> String {
        step.origin.entry ?? steering.pipeline.environments[0].name
    }

    /// The one before it among those that a run passes by itself or by promotions.
    private func before(_ name: String) -> String? {
        var before: String?
        for (index, environment) in steering.pipeline.environments.enumerated() {
            if environment.name == name { return index == 0 || environment.promotion == .none ? nil : before }
            if index == 0 || environment.promotion != .none { before = environment.name }
        }
        return nil
    }

    private func isItsTurn(_ step: Steering.Step) -> Bool {
        if step.by != nil { return true }
        let older = steering.steps.filter { $0.key.run < step.key.run }
        if steering.pipeline.mode == .parallel, step.name == entry(of: step) {
            return !older.contains { $0.kind == .build && entry(of: $0) == step.name }
        }
        if steering.pipeline.mode == .superseded, !steering.pipeline.supersedesWaiting {
            return !older.contains {
                $0.kind == .deploy && $0.name == step.name && ($0.wait == .promotion || $0.wait == .approval)
            }
        }
        return true
    }

    private func isApproved(_ step: Steering.Step, _ rules: EnvironmentPolicy, _ place: Steering.Place?) -> Bool {
        guard let needed = rules.approvals else { return true }
        let valid = step.approvals.filter {
            now < $0.expiresAt && $0.content == step.content && $0.policy == steering.policy && $0.live == place?.live
        }
        if needed.neverAuthorAlone, !valid.contains(where: { !$0.isAuthor }) { return false }
        return Set(valid.map(\.by)).count >= needed.needed
    }

    private func hasSoaked(_ step: Steering.Step, _ rules: EnvironmentPolicy) -> Bool {
        guard let soak = rules.soak else { return true }
        guard let before = before(rules.name) else { return true }
        guard let artifact = step.artifact, let since = steering.verified[before]?[artifact] else { return false }
        return now.milliseconds >= since.milliseconds + soak.components.seconds * 1000
    }
}
