import ArgumentParser
import Foundation
import Shipit
import UnixSignals

struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo", abstract: "See the whole thing work in a scratch folder.",
        discussion: """
            A small web application is pushed, built, deployed to staging, promoted, broken, mended and rolled back, with \
            the commands that a person would type. It takes some seconds, needs no set-up, and leaves nothing behind.

            EXAMPLE
              shipit demo
              shipit demo --keep --folder ~/shipit-demo
            """)

    @Flag(name: .long, help: "Leave the folder and the running application, to play with.") var keep = false
    @Option(name: .long, help: "The folder to play in: a new or an empty one (default: one below TMPDIR).")
    var folder: String?

    func run() async throws {
        let terminal = Terminal()
        let folder = folder.map(absolute) ?? Demo.standardFolder(ProcessInfo.processInfo.environment)
        let demo = Demo(program: OwnProgram.path, folder: folder) { Self.show($0, terminal) }
        let keep = keep
        // Ctrl-C ends the demo in order: it must not leave servers behind.
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await demo.run(keep: keep) }
            group.addTask {
                for await _ in signals { throw CancellationError() }
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private static func show(_ line: DemoLine, _ terminal: Terminal) {
        switch line {
        case .heading(let text): terminal.answer("\n\(terminal.painted(text, .bold))")
        case .why(let text): terminal.answer("\n\(wrapped(text))")
        case .command(let text): terminal.answer("\(terminal.painted("$ \(text)", .yellow))")
        case .output(let text): terminal.answer(text.isEmpty ? "" : "  \(text)")
        case .seen(let text): terminal.answer("\(terminal.painted("✓", .green)) \(text)")
        }
    }

    /// Sentences in lines of at most 78 columns; a word that is longer stays whole.
    private static func wrapped(_ text: String) -> String {
        var lines = [""]
        for word in text.split(separator: " ") {
            let line = lines[lines.count - 1]
            if line.isEmpty {
                lines[lines.count - 1] = String(word)
            } else if line.count + 1 + word.count <= 78 {
                lines[lines.count - 1] = "\(line) \(word)"
            } else {
                lines.append(String(word))
            }
        }
        return lines.joined(separator: "\n")
    }
}
