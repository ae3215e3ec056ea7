import ArtifactKit

/// The phases of a buildspec, carried out one after the other (AWS reference 3.4).
extension BuildJob {
    /// What came of all phases.
    struct Phases: Sendable {
        /// Of the first phase that failed.
        var failure: String?
        /// False when the shell ended under us.
        var isComplete = false
        var exported: [String: String] = [:]
        /// What the session's variables were in the end; nil when nobody needs them.
        var environment: [String: String]?
        /// As the shell expands it.
        var artifactName: String?
    }

    /// The shell ended, and nothing more can be said about the build.
    private struct SessionEnded: Error {}

    func carryOut(_ spec: Buildspec, _ session: BuildSession) async throws -> Phases {
        var result = Phases()
        do {
            if let failure = try await checkRuntimes(spec, session) {
                result.failure = failure
                result.isComplete = true
                return result
            }
            var states = BuildPhases()
            for name in Buildspec.PhaseName.allCases {
                guard let phase = spec.phases[name], states.runs(name) else { continue }
                try installation.ledger.progress(job, "\(task.map { "\($0): " } ?? "")phase \(name.rawValue)")
                if let failure = try await carryOut(name, phase, session, states) {
                    states.fail(name, phase.onFailure)
                    result.failure = result.failure ?? failure
                    if phase.onFailure == .continue {
                        log.say("on-failure of \(name.rawValue) is CONTINUE: it goes on")
                    }
                }
            }
            try await look(back: spec, session, &result)
            result.isComplete = true
        } catch is SessionEnded {}
        return result
    }

    /// One phase, again and again if it says so. Gives what failed in the end.
    private func carryOut(
        _ name: Buildspec.PhaseName, _ phase: Buildspec.Phase, _ session: BuildSession, _ states: BuildPhases
    ) async throws -> String? {
        var (times, pattern): (Int, String?) = (0, nil)
        if case .retry(let most, let text) = phase.onFailure { (times, pattern) = (most, text) }
        for attempt in 0... {
            let again = attempt > 0 ? ", retry \(attempt) of \(times)" : ""
            log.say("phase \(name.rawValue)\(again)")
            let began = ContinuousClock.now
            let failure = try await once(name, phase, session, states)
            let time = (ContinuousClock.now - began).spoken
            log.say("phase \(name.rawValue) \(failure == nil ? "succeeded" : "failed") after \(time)")
            guard let failure, attempt < times else { return failure?.words }
            if let pattern, try await !matches(pattern, failure, session) {
                log.say("on-failure: the failure does not match \(visibleLine(pattern)), so it is not tried again")
                return failure.words
            }
        }
        return nil
    }

    /// What said no, in our words and in AWS's.
    private struct Failure {
        let words: String
        /// What a pattern of RETRY is compared with.
        let message: String

        init(_ phase: Buildspec.PhaseName, _ command: String, _ status: Int32) {
            let line = command.split(separator: "\n").first.map(String.init) ?? command
            let short = line.count > 60 ? line.prefix(57) + "…" : line
            words = "\(phase.rawValue): \"\(short)\" ended with exit status \(status)"
            message =
                "COMMAND_EXECUTION_ERROR: Error while executing command: \(command). Reason: exit status \(status)"
        }
    }

    private func once(
        _ name: Buildspec.PhaseName, _ phase: Buildspec.Phase, _ session: BuildSession, _ states: BuildPhases
    ) async throws -> Failure? {
        var failure: Failure?
        for command in phase.commands {
            let status = try await perform(command, session, states)
            guard status == 0 else {
                failure = Failure(name, command, status)
                break
            }
        }
        for command in phase.finally {
            let status = try await perform(command, session, states, afterFailure: failure != nil)
            if status != 0, failure == nil { failure = Failure(name, command, status) }
        }
        return failure
    }

    private func perform(
        _ command: String, _ session: BuildSession, _ states: BuildPhases, afterFailure: Bool = false
    ) async throws -> Int32 {
        log.command(command)
        guard let status = try await session.run(command, succeeding: states.isSucceeding && !afterFailure) else {
            throw SessionEnded()
        }
        return status
    }

    // MARK: What shipit asks the session itself

    /// The comparison is the build's own work, within its walls and its time: a pattern can take for ever.
    private func matches(_ pattern: String, _ failure: Failure, _ session: BuildSession) async throws -> Bool {
        let message = failure.message.replacing("\n", with: " ")
        switch try await session.ask(.match, ["pattern": "\(pattern)\n", "message": "\(message)\n"]) {
        case 0: return true
        case 1: return false
        case nil: throw SessionEnded()
        default:
            log.say("on-failure: \(visibleLine(pattern)) is no regular expression, so it matches nothing")
            return false
        }
    }

    /// Exported variables, the artifact's name and what its paths need, at the end of the last phase.
    private func look(back spec: Buildspec, _ session: BuildSession, _ result: inout Phases) async throws {
        let needsVariables = spec.artifacts?.namesVariables ?? false
        if !spec.exported.isEmpty || needsVariables {
            // Names of variables and nothing else, as the buildspec was read.
            let names = spec.exported.map { "\($0)\n" }.joined()
            guard let status = try await session.ask(.environment, ["names": names]) else { throw SessionEnded() }
            let environment = status == 0 ? session.answer(.environment) : nil
            result.environment = environment.map(Self.variables)
            if environment == nil { log.say("the build's variables could not be read after the last phase") }
        }
        for name in spec.exported {
            if let value = result.environment?[name] {
                result.exported[name] = log.masked(value)
                log.say("exported variable \(name)=\(visibleLine(value))")
            } else {
                log.say("exported variable \(name) is not set after the last phase")
            }
        }
        if let name = spec.artifacts?.name {
            guard let status = try await session.ask(.expand, ["text": name]) else { throw SessionEnded() }
            let bytes = status == 0 ? session.answer(.expand) : nil
            result.artifactName = log.masked(bytes.map { String(decoding: $0, as: UTF8.self) } ?? name)
        }
    }

    private static func variables(_ bytes: [UInt8]) -> [String: String] {
        var variables: [String: String] = [:]
        for pair in bytes.split(separator: 0) {
            guard let equals = pair.firstIndex(of: UInt8(ascii: "=")) else { continue }
            variables[String(decoding: pair[..<equals], as: UTF8.self)] = String(
                decoding: pair[(equals + 1)...], as: UTF8.self)
        }
        return variables
    }

    // MARK: Languages

    /// Says which versions are there; gives what is missing if the policy makes that an error.
    private func checkRuntimes(_ spec: Buildspec, _ session: BuildSession) async throws -> String? {
        guard !spec.runtimes.isEmpty else { return nil }
        let wanted = spec.runtimes.map { $0.name + "\n" }.joined()
        guard try await session.ask(.runtimes, ["wanted": wanted]) != nil else { throw SessionEnded() }
        let found = RuntimeCheck.parse(session.answer(.runtimes) ?? [])
        var missing: [String] = []
        for runtime in spec.runtimes {
            let wanted = runtime.resolved(spec.variables)
            switch RuntimeCheck.judge(wanted, found) {
            case .matches(let version): log.say("runtime \(wanted.name) \(wanted.version): \(version) is installed")
            case .differs(let words):
                log.say("warning: runtime-versions: \(words)")
                missing.append(words)
            }
        }
        guard policy.pipeline.build.runtimeVersions == .error, !missing.isEmpty else { return nil }
        return "runtime-versions: \(missing.joined(separator: "; "))"
    }
}
