import GitKit
import Shipit

/// How people read what became of a deployment.
extension DeploymentStory {
    /// A heading, and what belongs to it.
    func lines(_ terminal: Terminal) -> (heading: String, rest: [String]) {
        var heading = terminal.painted(deployment.environment, .bold) + ": " + life(terminal)
        if isEmergency { heading += terminal.painted(" EMERGENCY", .red) }
        if isLive, bad != nil { heading += terminal.painted(" (bad)", .red) }
        var rest = ["\(how) by \(deployment.by)\(quoted(why)), run \(deployment.run)"]
        if !approvals.isEmpty {
            rest.append("approved by \(approvals.map { $0.by + quoted($0.reason) }.joined(separator: ", "))")
        }
        let checks = deployment.checks.map(\.rawValue)
        if deployment.status == .succeeded {
            rest.append(checks.isEmpty ? "no check of its own is known" : "passed \(checks.joined(separator: ", "))")
        }
        rest += reports.map { visibleLine($0.description) }
        if deployment.status != .succeeded, let reason = deployment.reason { rest.append(visibleLine(reason)) }
        if let irreversible = deployment.irreversible {
            rest.append(terminal.painted("irreversible", .yellow) + ": \(irreversible)")
        }
        if let replacement {
            let what = wasRolledBack ? terminal.painted("rolled back", .red) : "replaced"
            rest.append(
                "\(what) by \(replacement.by)\(quoted(replacementReason)), run \(replacement.run): \(replacement.revision.abbreviated())"
            )
        }
        if let bad, !wasRolledBack || bad.reason != replacementReason {
            rest.append("marked bad by \(bad.by), \(bad.at.local)\(quoted(bad.reason))")
        }
        return (heading, rest)
    }

    private func life(_ terminal: Terminal) -> String {
        guard let liveFrom else { return "\(terminal.painted(deployment.status)), \(deployment.createdAt.local)" }
        let until = liveUntil ?? .now
        let time = Duration.milliseconds(max(0, until.milliseconds - liveFrom.milliseconds)).spokenRoughly
        guard isLive else { return "live for \(time), from \(liveFrom.local) to \(until.local)" }
        return terminal.painted("live", .green) + " since \(liveFrom.local), for \(time)"
    }

    private var how: String {
        if deployment.kind == .rollback { return "rolled back to" }
        if isAsked { return "promoted" }
        return switch run.kind {
        case .push: run.reference.map { "pushed to \(ReferenceNames.short($0))" } ?? "pushed"
        case .start: "started"
        case .promote: "promoted"
        case .rollback: "rolled back to"
        }
    }

    private func quoted(_ reason: String?) -> String { reason.map { ": “\(visibleLine($0))”" } ?? "" }

    var json: JSON {
        [
            "deployment": JSON(deployment.id), "environment": .string(deployment.environment),
            "run": JSON(deployment.run),
            "kind": .string(deployment.kind.rawValue), "revision": JSON(deployment.revision),
            "release": JSON(deployment.release),
            "outcome": .string(deployment.status.rawValue), "reason": JSON(deployment.reason),
            "by": .string(deployment.by), "why": JSON(why), "emergency": .bool(isEmergency),
            "irreversible": JSON(deployment.irreversible),
            "checks": .array(deployment.checks.map { .string($0.rawValue) }),
            "reports": .array(reports.map(Products.json)),
            "approvals": .array(
                approvals.map { ["by": .string($0.by), "at": JSON($0.at), "reason": JSON($0.reason)] }),
            "live": .bool(isLive), "live_from": JSON(liveFrom), "live_until": JSON(liveUntil),
            "rolled_back": .bool(wasRolledBack),
            "replaced_by": replacement.map {
                [
                    "deployment": JSON($0.id), "run": JSON($0.run), "kind": .string($0.kind.rawValue),
                    "revision": JSON($0.revision), "by": .string($0.by), "why": JSON(replacementReason),
                ]
            } ?? .null,
            "bad": bad.map { ["by": .string($0.by), "at": JSON($0.at), "reason": JSON($0.reason)] } ?? .null,
        ]
    }
}

extension Duration {
    /// Times of days and weeks: `3 d 4 h`.
    var spokenRoughly: String {
        let hours = Int(inSeconds / 3600)
        return hours < 48 ? spoken : "\(hours / 24) d \(hours % 24) h"
    }
}
