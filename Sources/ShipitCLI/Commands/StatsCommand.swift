import ArgumentParser
import Foundation
import Shipit

struct StatsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats", abstract: "How often, how fast and how well: four figures of each environment.",
        discussion: """
            DEPLOYMENTS: those that succeeded and were no rollback.

            PER WEEK: as many as that is in a week, since the app was made where that is later than --since; less than a \
            day counts as one.

            LEAD TIME: from the commit until it was live there for the first time; of the newest 1,000. Where the \
            repository has the commit no more, its first run counts instead.

            FAILURES: of all deployments that succeeded or failed (those that shipit or the machine could not carry out, \
            cancelled ones and rollbacks are left out), those that failed, that a person rolled back from, or whose \
            revision was marked bad since.

            TIME TO RESTORE: from when one of these went live until a good one was live; several in a row are one outage. \
            A failed deployment that was put back by itself is none.

            Times are medians, with what nine of ten did not exceed in parentheses. The newest 100,000 deployments count.

            EXAMPLE
              shipit stats
              shipit stats --environment production --since 90d --json
            """)

    @Option(name: .long, help: "One environment (default: all).") var environment: String?
    @Option(name: .long, help: ArgumentHelp("How far back: 12h, 30d, or a date such as 2026-11-01.", valueName: "time"))
    var since = "30d"
    @OptionGroup var json: JSONOption
    @OptionGroup var options: Options

    func run() throws {
        let terminal = Terminal()
        let installation = try options.installation()
        let now = Timestamp.now
        let begin = try time(now)
        let apps = try options.app.map { [try installation.app($0)] } ?? installation.apps().apps
        guard !apps.isEmpty else {
            throw ShipitError(.unavailable, "there are no apps yet", hint: "shipit init REPOSITORY makes the first")
        }
        if let environment {
            let names = Set(apps.flatMap { $0.pipeline.environments.map(\.name) })
            // Names what there is.
            if !names.contains(environment) { _ = try apps[0].environment(environment) }
        }
        let figures = try apps.map { app in
            let environments = app.pipeline.environments.map(\.name).filter { environment == nil || environment == $0 }
            return (
                app: app.name,
                environments: try environments.map {
                    ($0, try Statistics.of(app, $0, since: begin, in: installation, now: now))
                }
            )
        }
        if json.json {
            return terminal.answer([
                "since": JSON(begin), "until": JSON(now),
                "apps": .array(
                    figures.map { app, environments in
                        [
                            "app": .string(app),
                            "environments": .array(environments.map { Self.json($0, $1) }),
                        ]
                    }),
            ])
        }
        terminal.say("since \(begin.local)")
        var table = Table("APP", "ENVIRONMENT", "DEPLOYMENTS", "PER WEEK", "LEAD TIME", "FAILURES", "TIME TO RESTORE")
        for (app, environments) in figures {
            for (name, figures) in environments { Self.add(app, name, figures, to: &table, terminal) }
        }
        terminal.answer(table)
    }

    private static func add(
        _ app: String, _ name: String, _ figures: Statistics, to table: inout Table, _ terminal: Terminal
    ) {
        let emergencies =
            figures.emergencies == 0 ? "" : terminal.painted(", \(figures.emergencies) EMERGENCY", .red)
        let failures =
            figures.failureRate.map {
                "\(Int(($0 * 100).rounded())) % (\(figures.failures) of \(figures.changes))"
            } ?? "–"
        table.add(
            app, name, "\(figures.deployments)\(emergencies)",
            figures.deployments == 0 ? "–" : "\((figures.perDay * 70).rounded() / 10)",
            spoken(figures.leadTime), failures, spoken(figures.timeToRestore))
    }

    private static func spoken(_ times: Statistics.Times?) -> String {
        guard let times else { return "–" }
        return "\(Duration.seconds(times.median).spokenRoughly) (\(Duration.seconds(times.p90).spokenRoughly))"
    }

    private static func json(_ name: String, _ figures: Statistics) -> JSON {
        func json(_ times: Statistics.Times?) -> JSON {
            times.map { ["count": JSON($0.count), "median": JSON($0.median), "p90": JSON($0.p90)] } ?? .null
        }
        return [
            "name": .string(name), "deployments": JSON(figures.deployments), "per_day": JSON(figures.perDay),
            "lead_time": json(figures.leadTime), "changes": JSON(figures.changes), "failures": JSON(figures.failures),
            "failure_rate": JSON(figures.failureRate), "time_to_restore": json(figures.timeToRestore),
            "rollbacks": JSON(figures.rollbacks), "emergencies": JSON(figures.emergencies),
        ]
    }

    private func time(_ now: Timestamp) throws -> Timestamp {
        if let duration = Duration(text: since, atMost: 36_600) {
            return Timestamp(milliseconds: now.milliseconds - Int64(duration.inSeconds * 1000))
        }
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.dateFormat = "yyyy-MM-dd"
        guard let date = formatter.date(from: since), date.timeIntervalSince1970 * 1000 < Double(now.milliseconds)
        else {
            throw ShipitError(
                .usage, "--since \(visibleLine(since)) is no time in the past", hint: "30d, 12h, or 2026-11-01")
        }
        return Timestamp(milliseconds: Int64(date.timeIntervalSince1970 * 1000))
    }
}
