import ArgumentParser
import Shipit

struct NotifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "notify", abstract: "Who is told what happens, and whether they answer.",
        discussion: """
            Destinations stand in pipeline.yml: commands, webhooks and mail. Each is told in the order of events, at least \
            once; one that does not answer is tried again for three days and holds nobody up.

            EXAMPLE
              shipit notify test
              shipit notify list
            """,
        subcommands: [NotifyList.self, NotifyTest.self])
}

struct NotifyList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List destinations, and since when they do not answer.",
        discussion: "EXAMPLE\n  shipit notify list")

    @OptionGroup var json: JSONOption
    @OptionGroup var options: Options

    func run() throws {
        let installation = try options.installation()
        let app = try options.chosenApp(installation)
        let terminal = Terminal()
        let states = try installation.ledger.destinations(app: app.name)
        if json.json {
            terminal.answer(.array(states.map(\.json)))
            return
        }
        var table = Table("DESTINATION", "TOLD", "FAILING SINCE", "NEXT TRY", "REASON")
        for destination in app.pipeline.notify {
            let state = states.first { $0.destination == destination.digest }
            table.add(
                visibleLine(destination.name), state?.deliveredAt?.local ?? "-", state?.failingSince?.local ?? "",
                state?.nextTry?.local ?? "", state?.reason ?? "")
        }
        if app.pipeline.notify.isEmpty {
            terminal.say("\(app.name) tells nobody; notify: in \(installation.home.policy(app.name)) names who is told")
        } else {
            terminal.answer(table)
        }
    }
}

struct NotifyTest: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test", abstract: "Send a test to every destination, and show how each answers.",
        discussion: """
            Nothing is recorded, and what waits to be told is not touched. Ends with 1 if somebody did not take it.

            EXAMPLE
              shipit notify test
            """)

    @OptionGroup var json: JSONOption
    @OptionGroup var options: Options

    func run() async throws {
        let installation = try options.installation()
        let app = try options.chosenApp(installation)
        let terminal = Terminal()
        guard !app.pipeline.notify.isEmpty else {
            throw ShipitError(
                .unavailable, "\(app.name) tells nobody",
                hint: "notify: in \(installation.home.policy(app.name)) names who is told")
        }
        let results = try await NotificationTest.run(installation, app)
        if json.json {
            terminal.answer(
                .array(
                    results.map {
                        [
                            "destination": .string(visibleLine($0.name)), "taken": .bool($0.isTaken),
                            "answer": .string($0.answer), "duration": JSON($0.duration),
                        ]
                    }))
        } else {
            for result in results {
                let state = result.isTaken ? terminal.painted("ok    ", .green) : terminal.painted("failed", .red)
                let time = result.isTaken ? " after \(Duration.seconds(result.duration).spoken)" : ""
                terminal.answer("\(state)  \(visibleLine(result.name)): \(result.answer)\(time)")
            }
        }
        if results.contains(where: { !$0.isTaken }) { throw Ending(status: 1) }
    }
}

extension DestinationState {
    var json: JSON {
        [
            "destination": .string(name), "cursor": JSON(cursor), "told_at": JSON(deliveredAt),
            "failing_since": JSON(failingSince), "failures": JSON(failures), "next_try": JSON(nextTry),
            "reason": JSON(reason),
        ]
    }
}
