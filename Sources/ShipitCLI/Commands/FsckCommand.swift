import ArgumentParser
import Shipit

struct FsckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fsck", abstract: "Check every promise against repository, ledger, artifacts, targets and spool.",
        discussion: """
            Ends with 1 when it found something. --repair mends what can be mended without touching what is live, says each \
            thing, and ends with 1 if something is left. It may be run while a worker works.

            EXAMPLE
              shipit fsck
              shipit fsck --repair
            """)

    @Flag(name: .long, help: "Mend what can be mended without touching what is live.") var repair = false
    @OptionGroup var json: JSONOption
    @OptionGroup var options: Options

    func run() async throws {
        let terminal = Terminal()
        let installation = try options.installation()
        let app = try options.appFilter(installation)
        let fsck = Fsck(installation, program: OwnProgram.path, app: app)
        let found = try await fsck.check()
        var left = found
        if repair {
            left = try await fsck.repair(found) { terminal.say($0) }
            // A push that came meanwhile found the lock taken and started nobody.
            try WorkerStarter.startIfNeeded(installation, program: OwnProgram.path)
        }
        if json.json {
            terminal.answer([
                "findings": .array(left.findings.map(\.json)), "notes": .array(left.notes.map(JSON.string)),
                "repaired": .array(found.findings.filter { repair && !left.findings.contains($0) }.map(\.json)),
            ])
        } else {
            Self.show(left, terminal)
        }
        if !left.findings.isEmpty { throw Ending(status: 1) }
    }

    private static func show(_ report: Fsck.Report, _ terminal: Terminal) {
        for finding in report.findings {
            let severity = terminal.painted(finding.severity.rawValue, finding.severity == .error ? .red : .yellow)
            terminal.answer("\(severity): \(finding.place): \(finding.what) [\(finding.code.rawValue)]")
            terminal.answer("  hint: \(finding.isRepairable ? "shipit fsck --repair, or " : "")\(finding.remedy)")
        }
        for note in report.notes { terminal.say("note: \(note)") }
        let count = report.findings.count
        terminal.say(count == 0 ? "all is well" : "\(count) \(count == 1 ? "thing" : "things") found")
    }
}

extension Finding {
    fileprivate var json: JSON {
        [
            "code": .string(code.rawValue), "severity": .string(severity.rawValue), "place": .string(place),
            "what": .string(what), "remedy": .string(remedy), "repairable": .bool(isRepairable),
        ]
    }
}
