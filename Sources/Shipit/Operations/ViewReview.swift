/// What hook scripts would see of a release on this machine, environment by environment.
struct ViewReview {
    let environments: [EnvironmentPolicy]
    /// Folders that nothing may cover.
    let reserved: [String]
    /// Why this machine has no views; nil when it has.
    let obstacle: String?

    func run(
        _ appspec: Appspec, _ file: String, _ places: AppspecPlaces, _ tree: some SourceTree
    ) throws -> [Diagnostic] {
        var found: [Diagnostic] = []
        guard let view = View(appspec, release: "") else { return [] }
        for environment in environments where environment.layout == .releases && environment.hasView {
            let name = environment.name
            for destination in view.destinations {
                guard let reason = obstacle ?? View.obstacle(at: destination, reserved: reserved) else { continue }
                found.append(
                    Diagnostic(
                        .error, file: file,
                        "in \(name) hook scripts cannot see the release at \(visibleLine(destination)): \(reason); \(View.hint)"
                    ))
            }
            guard found.isEmpty else { continue }
            found += try systemCalls(appspec, file, places, tree, view, environment)
        }
        return found
    }

    /// systemd starts services where nothing is covered.
    private func systemCalls(
        _ appspec: Appspec, _ file: String, _ places: AppspecPlaces, _ tree: some SourceTree, _ view: View,
        _ environment: EnvironmentPolicy
    ) throws -> [Diagnostic] {
        var found: [Diagnostic] = []
        for event in [LifecycleEvent.applicationStart, .afterInstall, .validateService] {
            for (index, script) in (appspec.hooks[event] ?? []).enumerated() {
                guard try tree.kind(of: script.location)?.isFile ?? false else { continue }
                let text = String(decoding: try tree.read(script.location, limit: 1 << 20), as: UTF8.self)
                guard let word = ["systemctl", "service "].first(where: text.contains) else { continue }
                let mark = places.locations[event.rawValue]?.at(index)
                let place = view.destinations[0]
                found.append(
                    Diagnostic(
                        .warning, file: file, line: mark?.line, column: mark?.column,
                        "\(visibleLine(script.location)) calls \(word.trimmed): what systemd starts in \(environment.name) does not see the release at \(visibleLine(place)); point its unit at \(environment.targets[0])/current\(visibleLine(place)), or use layout: in-place",
                        onAWS: "the files are at \(visibleLine(place)) for everybody"))
            }
        }
        return found
    }
}
