import ArgumentParser
import Foundation
import Shipit

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor", abstract: "Is this machine set up right?",
        discussion: """
            Programs and libraries, hooks and settings, permissions, the walls around builds, room on the disks, the clock \
            and the worker. Ends with 1 if there is a problem; warnings alone end with 0.

            EXAMPLE
              shipit doctor
            """)

    @OptionGroup var json: JSONOption
    @OptionGroup var machine: Machine

    func run() async throws {
        let terminal = Terminal()
        let home = try Home.standard(ProcessInfo.processInfo.environment)
        var installation: Installation?
        do {
            installation = try machine.installation()
        } catch let error as ShipitError where error.code == .unavailable {
            // A machine without an app can be looked at too.
        }
        let items = try await Doctor(home: home, installation: installation, program: OwnProgram.path).examine()
        if json.json {
            terminal.answer(
                .array(
                    items.map {
                        [
                            "check": .string($0.name), "state": .string($0.state.rawValue), "what": .string($0.what),
                            "mend": JSON($0.mend),
                        ]
                    }))
        } else {
            for item in items { Self.show(item, terminal) }
        }
        if items.contains(where: { $0.state == .problem }) { throw Ending(status: 1) }
    }

    private static func show(_ item: Doctor.Item, _ terminal: Terminal) {
        let state =
            switch item.state {
            case .ok: terminal.painted("ok     ", .green)
            case .warning: terminal.painted("warning", .yellow)
            case .problem: terminal.painted("problem", .red)
            }
        terminal.answer("\(state)  \(item.name): \(item.what)")
        if let mend = item.mend { terminal.answer("         mend: \(mend)") }
    }
}
