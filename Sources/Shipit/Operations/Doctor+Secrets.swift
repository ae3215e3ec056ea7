import Glibc

extension Doctor {
    /// What jobs would find missing before their first command; no command is run for it.
    func secrets(of app: App, _ installation: Installation) throws -> [Item] {
        var items: [Item] = []
        for name in app.pipeline.environments.map(\.name) + [Pipeline.buildName] {
            do {
                for gap in try SecretSources(installation, app.name, name, app.pipeline).gaps() {
                    items.append(Item(.problem, "secrets of \(app.name)", gap.what, mend: gap.mend))
                }
            } catch let error as ShipitError {
                items.append(Item(.problem, "secrets of \(app.name)", error.message, mend: error.hint))
            }
        }
        return items
    }

    /// Who is told what happens, and who does not answer.
    func destinations(of app: App, _ installation: Installation) throws -> [Item] {
        let states = try installation.ledger.destinations(app: app.name)
        return app.pipeline.notify.map { destination in
            let name = "notify of \(app.name)"
            let state = states.first { $0.destination == destination.digest }
            if let state, let since = state.failingSince {
                return Item(
                    .warning, name,
                    "\(destination.name) was not told anything since \(since.local): \(state.reason ?? "")",
                    mend: "shipit notify test --app \(app.name)")
            }
            if let (what, mend) = Self.gap(of: destination) {
                return Item(.problem, name, "\(destination.name): \(what)", mend: mend)
            }
            return Item(.ok, name, destination.name)
        }
    }

    private static func gap(of destination: Destination) -> (what: String, mend: String)? {
        switch destination.channel {
        case .webhook where Command.find("curl") == nil:
            ("webhooks are told by the program curl, which is missing", "apt install curl")
        case .mail where Delivery.sendmail == nil:
            ("there is no /usr/sbin/sendmail", "apt install msmtp-mta, or another program that brings sendmail")
        case .command(let words)
        where words[0].hasPrefix("/") ? access(words[0], X_OK) != 0 : Command.find(words[0]) == nil:
            ("there is no program \(words[0])", "install it, or name it by its absolute path")
        default: nil
        }
    }
}
