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
            // Written first, so that one sync of the disk that both are on covers all.
            let prepared = Result { () throws -> (ShipitHome, PreparedPush) in
                let home = try ShipitHome(at: arguments.home)
                return (home, try prepare(input, of: repository, in: home))
            }
            // A spool that cannot be written is reported once the push itself is safe.
            let device = try? prepared.get().1.device
            let sharesJournal = device.map(repository.sharesJournal) ?? false
            warnings += protect(input, in: repository, sharesJournal)
            try Failpoint.afterSync.reach()
            let (home, push) = try prepared.get()
            let id = try push.publish()
            if sharesJournal { warnings += keep(repository) }
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
    private func protect(_ input: HookInput, in repository: RepositoryFolder, _ sharesJournal: Bool) -> [String] {
        var warnings: [String] = []
        do throws(SystemError) {
            try Failpoint.beforeKeep.reach()
            try KeepReferences(for: input.updates).write(in: repository)
        } catch {
            warnings.append("\(error); until the push is built, git gc could remove it if it is overwritten")
        }
        do throws(SystemError) {
            try Failpoint.afterKeep.reach()
            try repository.makeDurable(input.updates, sharesJournal: sharesJournal)
        } catch {
            warnings.append("\(error); a power cut now could lose the push")
        }
        return warnings
    }

    private func keep(_ repository: RepositoryFolder) -> [String] {
        do throws(SystemError) {
            try repository.syncKeepReferences()
            return []
        } catch {
            return ["\(error); a power cut now could lose what keeps the push from git gc"]
        }
    }

    private func prepare(
        _ input: HookInput, of repository: RepositoryFolder, in home: ShipitHome
    ) throws -> PreparedPush {
        let push = Push(
            repository: repository.path,
            receivedAtNanoseconds: linux_nanoseconds(CLOCK_REALTIME),
            sequence: linux_nanoseconds(CLOCK_BOOTTIME),
            claims: HookEnvironment.claims,
            options: HookEnvironment.options,
            updates: input.updates)
        let prepared = try SpoolFile.prepare(push, in: home.spool)
        prepared.startWriting()
        return prepared
    }
}
