import GitKit

/// A note for each commit that was deployed: where, as which release, since when and by whom.
///
/// In `refs/shipit/notes/APP`, so that nobody can push to it and every clone can fetch it. The ledger stays the truth.
struct StateNotes: Sendable {
    let installation: Installation

    static func name(_ app: String) -> String { "refs/shipit/notes/\(app)" }

    /// A note that is not as the ledger has it.
    struct Change: Hashable, Sendable {
        /// In the tree of notes.
        let path: String
        /// Nil: there should be none.
        let text: String?
        let isMissing: Bool

        /// The commit that it is about, for people.
        var name: String { String(path.filter { $0 != "/" }.prefix(7)) }
    }

    /// More than the deployments that can have ended since the last look, on any sane day.
    private static let newest = 20

    /// Brings the notes to what the ledger says. `all`: not only those of the newest deployments.
    @discardableResult
    func update(_ app: App, all: Bool) async throws -> [Change] {
        let (changes, parent) = try await onThread { try look(at: app, all: all) }
        guard !changes.isEmpty else { return [] }
        try await write(changes, parent, app)
        return changes
    }

    /// What an update would change.
    func differences(_ app: App) async throws -> [Change] {
        try await onThread { try look(at: app, all: true).changes }
    }

    // MARK: Looking

    private enum Parent: Sendable {
        case none
        case commit(ObjectID)
        /// The reference shows something that is no commit, or that is gone.
        case rubbish
    }

    private func look(at app: App, all: Bool) throws -> (changes: [Change], parent: Parent) {
        let repository = try app.repository()
        var parent = Parent.none
        if let target = try repository.target(of: ReferenceName(Self.name(app.name))) {
            // Whatever is wrong with it, it is made anew.
            let commit = try? repository.commitID(of: target)
            parent = commit == target ? .commit(target) : .rubbish
        }
        var present: [String: ObjectID] = [:]
        var isWhole = all
        if case .commit(let commit) = parent {
            if all {
                do {
                    try repository.walkTree(of: commit) { entry in
                        if entry.kind != .directory { present[String(decoding: entry.path, as: UTF8.self)] = entry.id }
                    }
                } catch is GitError {
                    (present, parent) = ([:], .rubbish)
                }
            }
        } else {
            isWhole = true
        }
        var changes: [Change] = []
        for (revision, deployments) in try deployments(of: app, in: repository, all: isWhole) {
            let path = Self.path(revision)
            var there = present.removeValue(forKey: path)
            if case .commit(let commit) = parent, !all { there = try repository.file(at: path, in: commit)?.id }
            let text = try text(of: deployments, over: there, app, repository)
            if text.isEmpty {
                if there != nil { changes.append(Change(path: path, text: nil, isMissing: false)) }
            } else if there != ObjectID(ofBlob: Array(text.utf8)) {
                changes.append(Change(path: path, text: text, isMissing: there == nil))
            }
        }
        for path in present.keys {
            // Git collected the commit, or the ledger forgot it as its policy wants: it was true all the same.
            if let revision = ObjectID(path.filter { $0 != "/" }), Self.path(revision) == path,
                try !app.pipeline.retention.runs.isEmpty || !installation.ledger.noted(app.name, revision).isEmpty
            {
                continue
            }
            changes.append(Change(path: path, text: nil, isMissing: false))
        }
        return (changes.sorted { $0.path < $1.path }, parent)
    }

    /// What to write on which commits. A note of a commit that is gone would help nobody.
    private func deployments(
        of app: App, in repository: Repository, all: Bool
    ) throws -> [Revision: [Deployment]] {
        let ledger = installation.ledger
        guard !all else {
            return try ledger.noted(app.name) { repository.contains($0, lookingAgain: false) }
        }
        var found: [Revision: [Deployment]] = [:]
        let newest = Set(try ledger.deployments(app: app.name, limit: Self.newest).map(\.revision))
        for revision in newest where repository.contains(revision) {
            found[revision] = try ledger.noted(app.name, revision)
        }
        return found
    }

    /// Lines that are there stay where the ledger may have forgotten what they tell of.
    private func text(
        of deployments: [Deployment], over there: ObjectID?, _ app: App, _ repository: Repository
    ) throws -> String {
        var lines = deployments.map { Self.line($0) }
        if let there, !app.pipeline.retention.runs.isEmpty, there != ObjectID(ofBlob: Array(lines.joined().utf8)) {
            let told = Set(deployments.map(\.environment))
            var bytes: [UInt8] = []
            // A blob that cannot be read is written over.
            try? repository.readBlob(there) { bytes += $0.prefix(Self.sizeLimit - min(bytes.count, Self.sizeLimit)) }
            let former = String(decoding: bytes, as: UTF8.self).split(separator: "\n").filter { line in
                let name = line.prefix { $0 != ":" }
                return name.count < line.count && Name.isValid(String(name)) && !told.contains(String(name))
            }
            lines += former.map { "\($0)\n" }
        }
        return lines.sorted().joined()
    }

    private static let sizeLimit = 64 << 10

    /// One line for each environment.
    static func line(_ deployment: Deployment) -> String {
        let since = (deployment.endedAt ?? deployment.createdAt).rfc3339.prefix(19)
        let release = deployment.release.map { "release \($0)" } ?? "no release"
        let verdict = deployment.status == .succeeded ? "verified" : "not verified"
        // What was fetched is by nobody that we know.
        let by = visibleLine(deployment.by)
        let who = by.hasPrefix("fetched from ") ? by : "by \(by)"
        return
            "\(deployment.environment): \(release), run \(deployment.run), live \(since)Z, \(who), \(verdict)\n"
    }

    /// As git itself spreads notes over folders, so that a new one costs two small trees however many there are.
    private static func path(_ revision: Revision) -> String {
        "\(revision.hex.prefix(2))/\(revision.hex.dropFirst(2))"
    }

    // MARK: Writing

    /// Everything in one go by git itself, as the repository's owner; refused when somebody was faster.
    private func write(_ changes: [Change], _ parent: Parent, _ app: App) async throws {
        let newest = try installation.ledger.deployments(app: app.name, limit: 1).first
        let date = max(0, (newest?.endedAt ?? newest?.createdAt ?? .now).milliseconds / 1000)
        let message = Self.message(changes)
        var stream = "commit \(Self.name(app.name))\ncommitter shipit <shipit> \(date) +0000\n"
        stream += "data \(message.utf8.count)\n\(message)\n"
        if case .commit(let commit) = parent { stream += "from \(commit.hex)\n" }
        for change in changes {
            if let text = change.text {
                stream += "M 100644 inline \(change.path)\ndata \(text.utf8.count)\n\(text)\n"
            } else {
                stream += "D \(change.path)\n"
            }
        }
        var arguments = ["fast-import", "--quiet"]
        if case .rubbish = parent { arguments.append("--force") }
        let path = app.repositoryPath
        let outcome = try await Git.run(arguments, feeding: Array(stream.utf8), in: try realPath(of: app))
        guard outcome.isSuccess else {
            throw ShipitError(.failure, "could not write shipit's notes in \(path): git ended with \(outcome.exit)")
        }
    }

    private func realPath(of app: App) throws -> String { try app.repository().path }

    private static func message(_ changes: [Change]) -> String {
        let lines = changes.prefix(20).flatMap { change -> [String] in
            let id = change.name
            guard let text = change.text else { return ["\(id): nothing"] }
            return text.split(separator: "\n").map { "\(id): \($0)" }
        }
        return (["notes of \(changes.count == 1 ? "a deployment" : "\(changes.count) revisions")", ""] + lines)
            .joined(separator: "\n") + "\n"
    }
}
