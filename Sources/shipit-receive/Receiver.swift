import CLinux
import Glibc
import Spool

/// Takes in one push: first it is made safe, then queued, and only then the pusher hears of it.
struct Receiver {
    let arguments: Arguments

    /// Returns the exit status, unless this process becomes the one that the pusher follows.
    func run() -> Int32 {
        signal(SIGPIPE, SIG_IGN)
        signal(SIGHUP, SIG_IGN)
        let input = HookInput(reading: STDIN_FILENO)
        let receipt = receive(input)
        let chained = arguments.chained.map { runChained($0, input) }
        switch receipt {
        case .nothingToQueue: return chained ?? 0
        case .refused: return chained.flatMap { $0 == 0 ? nil : $0 } ?? 1
        case .queued(let id, let home): return tell(id, home, chained) ?? chained ?? 0
        }
    }

    /// Nothing may be printed before the push is queued: the pusher may be gone, and must not decide anything.
    private func receive(_ input: HookInput) -> Receipt {
        var warnings = input.warnings
        defer { warnings.forEach(Terminal.warn) }
        guard !input.updates.isEmpty || input.problem != nil else { return .nothingToQueue }
        do {
            if let problem = input.problem { throw problem }
            let repository = try RepositoryFolder()
            warnings += protect(input, in: repository)
            let home = try ShipitHome(at: arguments.home)
            let id = try queue(input, of: repository, in: home)
            warnings += startWorker(of: home)
            return .queued(id: id, home: home)
        } catch {
            Terminal.complain(
                "the push was accepted but NOT queued: \(error); "
                    + "shipit will find it by itself when its worker next looks at the references")
            return .refused
        }
    }

    /// A push that could not be protected is still queued, and what went wrong is said afterwards.
    private func protect(_ input: HookInput, in repository: RepositoryFolder) -> [String] {
        var warnings: [String] = []
        do throws(SystemError) {
            try Failpoint.beforeKeep.reach()
            try KeepReferences(for: input.updates).write(in: repository)
        } catch {
            warnings.append("\(error); until the push is built, git gc could remove it if it is overwritten")
        }
        do throws(SystemError) {
            try Failpoint.afterKeep.reach()
            try repository.makeDurable()
        } catch {
            warnings.append("\(error); a power cut now could lose the push")
        }
        return warnings
    }

    private func queue(_ input: HookInput, of repository: RepositoryFolder, in home: ShipitHome) throws -> String {
        try Failpoint.afterSync.reach()
        let push = Push(
            repository: repository.path,
            receivedAtNanoseconds: linux_nanoseconds(CLOCK_REALTIME),
            sequence: linux_nanoseconds(CLOCK_BOOTTIME),
            claims: HookEnvironment.claims,
            options: HookEnvironment.options,
            updates: input.updates)
        return try SpoolFile.write(push, into: home.spool)
    }
}
