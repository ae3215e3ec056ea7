import ArgumentParser
import Foundation
import Shipit

struct FetchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fetch", abstract: "Fetch the app's repository elsewhere now, and ship what moved there.",
        discussion: """
            For an app whose repository is a URL. While `shipit serve` runs this happens by itself, as often as the policy \
            says (fetch: 1m); a fetch that failed is tried again after 1, 2, 4 … up to 30 minutes.

            EXAMPLE
              shipit fetch --app blog
            """)

    @OptionGroup var options: Options
    @OptionGroup var follow: FollowOption

    func run() async throws {
        let terminal = Terminal()
        let installation = try options.installation()
        let app = try options.chosenApp(installation)
        guard app.pipeline.remote != nil else {
            throw ShipitError(
                .unavailable, "the repository of \(app.name) is a folder of this machine, \(app.pipeline.repository)",
                hint: "git push brings commits there")
        }
        let cursor = try installation.ledger.lastPush()
        guard let record = try await fetched(app, installation, terminal) else { return }
        if let reason = record.reason {
            throw ShipitError(
                .failure, "\(record.url) could not be fetched: \(reason)",
                hint: "next try \(record.nextAt.clock); what is live stays live, and can be promoted and rolled back")
        }
        try await show(try await movesTaken(cursor, app, installation), terminal, installation)
    }

    /// Asks the worker, or starts one, and waits until a fetch that began after that is over.
    private func fetched(
        _ app: App, _ installation: Installation, _ terminal: Terminal
    ) async throws -> FetchRecord? {
        let watch = try LedgerWatch(installation)
        try installation.expectFetch(of: app)
        guard let request = try installation.ledger.requestFetch(of: app.name) else { return nil }
        var attention = WorkerAttention(installation: installation)
        attention.look()
        if follow.detach {
            terminal.say("the worker fetches \(app.pipeline.repository)")
            return nil
        }
        while true {
            guard let record = try installation.ledger.fetchRecord(of: app.name) else { return nil }
            if record.answered >= request { return record }
            await watch.wait(.seconds(1))
            attention.wait()
        }
    }

    /// The pushes that the fetch led to: the worker compares right after it.
    private func movesTaken(_ cursor: Int64, _ app: App, _ installation: Installation) async throws -> [PushRecord] {
        let watch = try LedgerWatch(installation)
        let began = ContinuousClock.now
        while try installation.hasUnexplainedMoves(of: app), ContinuousClock.now - began < .seconds(20) {
            await watch.wait(.milliseconds(200))
        }
        return try installation.ledger.pushes(app: app.name, limit: 100).filter { $0.id > cursor }
    }

    private func show(_ pushes: [PushRecord], _ terminal: Terminal, _ installation: Installation) async throws {
        let updates = pushes.reversed().flatMap(\.updates)
        for update in updates {
            guard let reason = update.reason else { continue }
            terminal.say("\(ReferenceNames.short(update.reference)) ships nothing: \(reason)")
        }
        let runs = updates.compactMap(\.run)
        if updates.isEmpty { terminal.say("nothing moved") }
        guard !runs.isEmpty else { return }
        let status = try await Follower(installation: installation, terminal: terminal).follow(runs)
        if status != 0 { throw Ending(status: status) }
    }
}

extension FetchRecord {
    /// When it was fetched and will be, in one line.
    var words: String {
        guard let fetchedAt else { return "not fetched yet" }
        return "fetched \(fetchedAt.local)\(nextAt <= .now ? "; shipit serve or shipit fetch fetches it" : "")"
    }

    var json: JSON {
        [
            "url": .string(url), "fetched_at": JSON(fetchedAt), "failing_since": JSON(failingSince),
            "reason": JSON(reason), "next_at": JSON(nextAt),
        ]
    }
}
