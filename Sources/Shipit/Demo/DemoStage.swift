import Glibc
import Synchronization

/// Runs the demo's commands with the real programs, shows what is typed and what comes of it, and checks it.
final class DemoStage: Sendable {
    let folder: String
    let environments = ["staging", "production"]
    private let program: String
    private let ports: [UInt16]
    private let show: @Sendable (DemoLine) -> Void
    private let state = Mutex(State())

    private struct State {
        var step = "the beginning"
        var steps = 0
        var directory = ""
        var seen: [String] = []
    }

    init(program: String, folder: String, show: @escaping @Sendable (DemoLine) -> Void) {
        self.program = program
        self.folder = folder
        self.show = show
        ports = LoopbackPage.freePorts(environments.count)
    }

    var home: String { "\(folder)/home" }
    var step: String { state.withLock { $0.step } }
    var seen: [String] { state.withLock { $0.seen } }

    func port(_ environment: String) -> UInt16 {
        zip(environments, ports).first { $0.0 == environment }?.1 ?? 0
    }

    // MARK: Telling

    func begin(_ step: String) {
        let number = state.withLock { state in
            state.step = step
            state.steps += 1
            return state.steps
        }
        show(.heading("\(number). \(step)"))
    }

    func why(_ sentence: String) { show(.why(sentence)) }

    /// Remembers something for the summary.
    func saw(_ fact: String) { state.withLock { $0.seen.append(fact) } }

    // MARK: Doing

    /// Goes into a folder below the scratch folder, as `cd` does.
    func enter(_ name: String) {
        state.withLock { $0.directory = "/\(name)" }
        show(.command("cd ~/\(name)"))
    }

    /// Runs the very line that is shown; it has to succeed, and to say what was expected.
    @discardableResult
    func shell(_ line: String, says expected: String? = nil) async throws -> String {
        show(.command(line))
        let text = try await run(line) { [show] in show(.output($0)) }
        if let expected, !text.contains(expected) {
            throw ShipitError(.failure, "\(line) did not say \"\(expected)\"")
        }
        return text
    }

    /// The revision that the clone stands at.
    func head() async throws -> String {
        try await run("git rev-parse HEAD") { _ in }.filter { !$0.isWhitespace }
    }

    private func run(_ line: String, each: @escaping @Sendable (String) -> Void) async throws -> String {
        let lines = Lines(home: folder, each: each)
        let outcome = try await Program.run(command(line), limit: .seconds(120)) { lines.take($0) }
        lines.finish()
        try Task.checkCancellation()
        guard outcome.exit.isSuccess, outcome.stopped == nil else {
            throw ShipitError(.failure, "\(line) ended with \(outcome.exit)")
        }
        return lines.text
    }

    private func command(_ line: String) -> Command {
        let slash = program.lastIndex(of: "/") ?? program.startIndex
        var environment = Command.plainEnvironment
        environment["PATH"] = "\(program[..<slash]):\(Command.path)"
        environment["HOME"] = folder
        environment["SHIPIT_HOME"] = home
        environment["GIT_CONFIG_NOSYSTEM"] = "1"
        environment["NO_COLOR"] = "1"
        for role in ["AUTHOR", "COMMITTER"] {
            environment["GIT_\(role)_NAME"] = "Ann"
            environment["GIT_\(role)_EMAIL"] = "ann@example.org"
        }
        let directory = folder + state.withLock { $0.directory }
        return Command("/bin/sh", ["-c", line], environment: environment, in: directory)
    }

    // MARK: Checking

    /// Asks the environment's server, and compares its page with what should be live there.
    ///
    /// Again for some seconds: after a failure nobody waits until the server that was started again listens.
    func check(_ revision: String, isLiveIn environment: String) async throws {
        let port = port(environment)
        let wanted = "Revision \(revision.abbreviated) is live in \(environment)."
        let deadline = ContinuousClock.now + .seconds(10)
        while true {
            let text = await onThread { LoopbackPage.fetch(port: port) }.map(LoopbackPage.plain) ?? "nothing"
            if text.contains(wanted) { break }
            guard ContinuousClock.now < deadline else {
                throw ShipitError(
                    .failure, "http://127.0.0.1:\(port)/ should say \"\(wanted)\", and it says: \(text)")
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        show(.seen("http://127.0.0.1:\(port)/ answers: \(wanted)"))
    }
}

/// Hands output on line by line, short enough to read: the scratch folder is `~`, and nobody pads.
private final class Lines: Sendable {
    private let home: String
    private let each: @Sendable (String) -> Void
    private let state = Mutex<(rest: [UInt8], text: String)>(([], ""))

    init(home: String, each: @escaping @Sendable (String) -> Void) {
        self.home = home
        self.each = each
    }

    var text: String { state.withLock { $0.text } }

    func take(_ bytes: UnsafeRawBufferPointer) {
        let lines = state.withLock { state in
            state.rest += bytes
            var lines: [String] = []
            while let end = state.rest.firstIndex(of: UInt8(ascii: "\n")) {
                lines.append(clean(state.rest[..<end]))
                state.rest.removeSubrange(...end)
            }
            state.text += lines.map { "\($0)\n" }.joined()
            return lines
        }
        lines.forEach(each)
    }

    func finish() {
        guard state.withLock({ !$0.rest.isEmpty }) else { return }
        [UInt8(ascii: "\n")].withUnsafeBytes { take($0) }
    }

    /// git pads what the other side says with spaces.
    private func clean(_ bytes: ArraySlice<UInt8>) -> String {
        var line = visibleLine(String(decoding: bytes, as: UTF8.self)).replacing(home, with: "~")
        while line.last == " " { line.removeLast() }
        return line
    }
}
