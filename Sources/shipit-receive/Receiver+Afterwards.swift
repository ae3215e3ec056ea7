import Glibc

/// What happens once the push is safe; none of it can lose the push, so its failures are only said.
extension Receiver {
    func startWorker(of home: ShipitHome) -> [String] {
        do throws(SystemError) {
            try Failpoint.afterSpool.reach()
            guard let program = arguments.program, home.isOurs, !home.isWatched, try !home.hasWorker() else {
                return []
            }
            _ = try ShipitProgram(path: program, home: home).worker.start()
            return []
        } catch {
            return ["the push is queued, but no worker was started: \(error)"]
        }
    }

    /// The hook that was here before ours, with all that git gave us.
    func runChained(_ hook: String, _ input: HookInput) -> Int32 {
        do throws(SystemError) {
            let memory = try MemoryFile(containing: input.bytes)
            var program = Program(path: Array(hook.utf8))
            program.arguments = arguments.chainedArguments.map { Array($0.utf8) }
            program.input = memory.descriptor
            return try program.start().wait()
        } catch {
            Terminal.complain("the hook that was here before shipit's was not run: \(error)")
            return 1
        }
    }

    /// Nil when there is nothing more to say than that the push is queued.
    func tell(_ id: String, _ home: ShipitHome, _ chained: Int32?) -> Int32? {
        guard home.isOurs else {
            Terminal.say("queued; the worker of user \(home.ownerName) takes it from here")
            return nil
        }
        // Beside detach there may be an option that nobody knows or may use: then the pusher has to hear of it.
        let leaves =
            !HookEnvironment.options.isEmpty && HookEnvironment.options.allSatisfy { $0 == Array("detach".utf8) }
        guard let program = arguments.program, !leaves else {
            Terminal.say("queued")
            return nil
        }
        let follower = ShipitProgram(path: program, home: home).follower(of: id)
        do throws(SystemError) {
            guard let chained else { throw follower.replaceThisProcess() }
            _ = try follower.start().wait()
            return chained
        } catch {
            Terminal.say("queued, but not followed: \(error)")
            return nil
        }
    }
}
