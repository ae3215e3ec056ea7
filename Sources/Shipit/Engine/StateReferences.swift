import CLinux
import GitKit
import Glibc

/// What is live, visible from any clone, and what must not be collected: `refs/shipit/…` in the repository.
///
/// Written by git itself as the repository's owner, so that every file there keeps its owner, group and mode. The ledger
/// stays the truth; these are made again from it.
struct StateReferences: Sendable {
    let installation: Installation

    static func name(_ app: String, _ environment: String) -> String { "refs/shipit/\(app)/\(environment)" }

    /// What the references of an app should be.
    func wanted(_ app: App) throws -> (live: [String: Revision], kept: Set<Revision>) {
        var live: [String: Revision] = [:]
        var kept: Set<Revision> = []
        for environment in app.pipeline.environments {
            let state = try installation.ledger.environment(app.name, environment.name)
            if let deployment = state.live { live[Self.name(app.name, environment.name)] = deployment.revision }
            let deployments = try installation.ledger.keptDeployments(app: app.name, environment)
            kept.formUnion(deployments.filter { $0.release != nil }.map(\.revision))
        }
        for run in try installation.ledger.openRuns(app: app.name) { kept.insert(run.run.revision) }
        return (live, kept)
    }

    /// Brings the references of the app's repository to what the ledger says; gives what was changed.
    ///
    /// Keep-refs of pushes that still lie in the spool stay, and so do those younger than this ledger's view.
    @discardableResult
    func update(_ app: App, dryRun: Bool = false) async throws -> [String] {
        let (live, keptHere) = try wanted(app)
        var keptByAll = keptHere
        for other in installation.apps().apps
        where other.name != app.name && other.repositoryPath == app.repositoryPath {
            keptByAll.formUnion(try wanted(other).kept)
        }
        let kept = keptByAll
        let spoolIsEmpty = FileSystem.names(in: installation.home.spool).allSatisfy { !$0.hasSuffix(".push") }
        let (lines, path) = try await onThread {
            let repository = try app.repository()
            var lines: [String] = []
            for (name, revision) in live where try repository.target(of: ReferenceName(name)) != revision {
                if repository.contains(revision) { lines.append("update \(name) \(revision.hex)") }
            }
            for (name, id) in try repository.references(under: "refs/shipit/\(app.name)/") where live[name.text] == nil
            {
                lines.append("delete \(name.text) \(id.hex)")
            }
            let present = Dictionary(
                try repository.references(under: "refs/shipit/keep/").map { ($0.0.text, $0.1) },
                uniquingKeysWith: { $1 })
            for revision in kept
            where present["refs/shipit/keep/\(revision.hex)"] == nil && repository.contains(revision) {
                lines.append("update refs/shipit/keep/\(revision.hex) \(revision.hex)")
            }
            let tips = Set(try repository.references(under: "refs/heads/").map(\.1))
            for (name, id) in present where spoolIsEmpty && !kept.contains(id) {
                // A tag's keep-ref names the tag object; it stays as long as its commit is kept or is a tip.
                if let commit = try? repository.commitID(of: id), kept.contains(commit) { continue }
                if tips.contains(id) { continue }
                lines.append("delete \(name) \(id.hex)")
            }
            return (lines.sorted(), repository.path)
        }
        if lines.isEmpty || dryRun { return lines }
        try await Self.run(lines, in: path)
        return lines
    }

    /// Brings references and notes to what the ledger says, and looks again afterwards: of two that do this at once, the
    /// one that writes last has read last.
    func bringUp(_ app: App, allNotes: Bool = false) async throws {
        for _ in 0..<5 {
            if try await update(app).isEmpty { break }
        }
        try await StateNotes(installation: installation).update(app, all: allNotes)
    }

    /// Removes every reference that shipit made for the app.
    func remove(_ app: App, keepRefsToo: Bool) async throws {
        let (lines, path) = try await onThread {
            let repository = try app.repository()
            var lines: [String] = []
            for (name, id) in try repository.references(under: "refs/shipit/\(app.name)/") {
                lines.append("delete \(name.text) \(id.hex)")
            }
            let notes = ReferenceName(StateNotes.name(app.name))
            if let id = try repository.target(of: notes) { lines.append("delete \(notes.text) \(id.hex)") }
            if keepRefsToo {
                for (name, id) in try repository.references(under: "refs/shipit/keep/") {
                    lines.append("delete \(name.text) \(id.hex)")
                }
            }
            return (lines, repository.path)
        }
        if !lines.isEmpty { try await Self.run(lines, in: path) }
    }

    private static func run(_ lines: [String], in path: String) async throws {
        let text = lines.joined(separator: "\n") + "\n"
        let outcome = try await Git.run(["update-ref", "--stdin"], feeding: Array(text.utf8), in: path)
        guard outcome.isSuccess else {
            throw ShipitError(
                .failure, "could not write shipit's references in \(path): git ended with \(outcome.exit)")
        }
    }
}
