import Shipit

/// What a push did not ship, in few lines: where one push feeds many apps, its pusher wants to see those that ship.
enum UnshippedUpdates {
    static let most = 20

    static func lines(_ updates: [PushRecord.Update]) -> [String] {
        let silent = updates.filter { $0.run == nil }
        let hasRuns = silent.count < updates.count
        var lines: [String] = []
        var references: [String] = []
        for update in silent where !references.contains(update.reference) { references.append(update.reference) }
        for reference in references {
            let name = ReferenceNames.short(reference)
            let all = silent.filter { $0.reference == reference }
            let unconcerned = all.filter(\.isUnconcerned)
            lines += said(unconcerned, name, most: hasRuns ? 1 : 3) { _ in nil }
            // The same mistake for each app is one mistake.
            var groups: [(what: String, updates: [PushRecord.Update])] = []
            for update in all where !update.isUnconcerned {
                let what = what(update)
                if let index = groups.firstIndex(where: { $0.what == what }) {
                    groups[index].updates.append(update)
                } else {
                    groups.append((what, [update]))
                }
            }
            for group in groups { lines += said(group.updates, name, most: 1) { what($0) } }
        }
        guard lines.count > most else { return lines }
        return lines.prefix(most) + [
            "and \(lines.count - most) more that ship nothing; shipit runs --pushes lists them"
        ]
    }

    /// Each with its reason, or all in one line when there are more than `most`.
    private static func said(
        _ updates: [PushRecord.Update], _ name: String, most: Int, common: (PushRecord.Update) -> String?
    ) -> [String] {
        guard updates.count > most, let first = updates.first else {
            return updates.map { "\(name) ships nothing: \($0.reason ?? "no reason was recorded")" }
        }
        let apps = updates.prefix(8).map(\.app).joined(separator: ", ") + (updates.count > 8 ? ", …" : "")
        let what = common(first).map { ": \($0)" } ?? ""
        return ["\(name) ships nothing for \(updates.count) apps (\(apps))\(what); shipit runs --pushes says why"]
    }

    /// The reason without the command, which names the app.
    private static func what(_ update: PushRecord.Update) -> String {
        let reason = update.reason ?? ""
        return reason.firstRange(of: "; shipit start").map { String(reason[..<$0.lowerBound]) } ?? reason
    }
}
