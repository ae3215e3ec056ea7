import ArgumentParser
import Foundation
import Glibc
import Shipit

/// The only place that prints: answers to stdout, conversation to stderr.
struct Terminal {
    /// Colours and redrawn lines are for people at a terminal who did not refuse them.
    let isColoured: Bool
    let isInteractive: Bool

    init() {
        let plain = ProcessInfo.processInfo.environment["NO_COLOR"].map { !$0.isEmpty } ?? false
        isInteractive = isatty(STDERR_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
        isColoured = isatty(STDOUT_FILENO) == 1 && isInteractive && !plain
    }

    func answer(_ text: String) { put(text + "\n", STDOUT_FILENO) }

    func answer(_ json: JSON) { answer(json.text) }

    func answer(_ table: Table) {
        var size = winsize()
        let isKnown = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        answer(table.text(in: isKnown ? Int(size.ws_col) : nil))
    }

    func say(_ text: String) { put(text + "\n", STDERR_FILENO) }

    /// Puts an error into words; gives the exit status.
    func complain(_ error: any Error) -> Int32 {
        switch error {
        case let error as ShipitError:
            say("error: \(error.message)")
            if let hint = error.hint { say("  hint: \(hint)") }
            return error.exitStatus
        case let error as Diagnostics:
            for diagnostic in error.all {
                say(diagnostic.severity == .error ? "error: \(diagnostic)" : "\(diagnostic)")
            }
            return 65
        case let error as Ending:
            if let message = error.message { say("error: \(message)") }
            if let hint = error.hint { say("  hint: \(hint)") }
            return error.status
        case is CancellationError: return 130
        default: break
        }
        let status = ShipitCommand.exitCode(for: error)
        let text = ShipitCommand.fullMessage(for: error)
        if status == .success {
            if !text.isEmpty { answer(text) }
            return 0
        }
        if status == .validationFailure {
            if let word = Self.unknownCommand(CommandLine.arguments) {
                say("error: there is no command \(visibleLine(word))")
                let meant = suggestion(for: word, among: Self.commands)
                say("  hint: \(meant.map { "did you mean shipit \($0)?" } ?? "shipit --help lists them")")
                return 64
            }
            // ArgumentParser's first line names the problem; its usage line is the hint's best form.
            var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            if let first = lines.first, first.hasPrefix("Error: ") {
                lines[0] = "error: " + first.dropFirst("Error: ".count).prefix(1).lowercased() + first.dropFirst(8)
            }
            say(lines.joined(separator: "\n"))
            return 64
        }
        say("error: \(error)")
        return 2
    }

    private static var commands: [String] {
        ShipitCommand.configuration.subcommands.compactMap { $0.configuration.commandName }
    }

    /// The parser only says of it that it is unexpected.
    private static func unknownCommand(_ words: [String]) -> String? {
        guard let word = words.dropFirst().first, !word.hasPrefix("-"), !commands.contains(word) else { return nil }
        return ["help", FollowCommand.configuration.commandName].contains(word) ? nil : word
    }

    enum Colour: String {
        case red = "31", green = "32", yellow = "33", bold = "1", dim = "2"
    }

    func painted(_ text: String, _ colour: Colour) -> String {
        isColoured ? "\u{1B}[\(colour.rawValue)m\(text)\u{1B}[0m" : text
    }

    func painted(_ status: Shipit.Status) -> String {
        switch status {
        case .succeeded: painted(status.rawValue, .green)
        case .failed, .errored: painted(status.rawValue, .red)
        case .running, .waiting: painted(status.rawValue, .yellow)
        case .queued, .cancelled, .superseded: status.rawValue
        }
    }

    /// A reader that went away is no error of ours.
    private func put(_ text: String, _ descriptor: Int32) {
        var text = text
        text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while !rest.isEmpty {
                let count = write(descriptor, rest.baseAddress, rest.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return }
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
        }
    }
}

/// A command ends with this status, though nothing was wrong with the command itself.
struct Ending: Error {
    var status: Int32
    var message: String?
    var hint: String?
}
