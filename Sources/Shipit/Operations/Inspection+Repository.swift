import GitKit

extension Inspection {
    /// The commits that must be there, the references that shipit keeps, the hook, and what nobody noticed.
    mutating func inspectRepository(of app: App) async throws {
        let references = StateReferences(installation: installation)
        do {
            try inspectCommits(of: app, references)
            if !isBusy { try inspectMoves(of: app) }
            for line in isBusy ? [] : try await references.update(app, dryRun: true) { report(line, app) }
            if !isBusy { try await inspectNotes(of: app) }
            for gap in try await setup.gaps(of: app) {
                find(
                    gap.part == .hook ? .hook : .setting, at: gap.place, gap.what,
                    remedy: gap.isMendable
                        ? "shipit init \(app.pipeline.repository) --app \(app.name)"
                        : "git config --unset core.hooksPath, or name that folder's owner",
                    repair: gap.isMendable ? .setUp(app: app.name) : nil)
            }
        } catch let error as GitError {
            find(
                .repositoryUnreadable, at: app.repositoryPath, "could not \(error.operation): \(error.reason)",
                remedy: app.pipeline.remote == nil
                    ? error.hint ?? "git -C \(app.repositoryPath) fsck"
                    : "rm -rf \(app.repositoryPath); shipit fetch --app \(app.name) makes it again",
                repair: app.pipeline.remote == nil ? nil : .setUp(app: app.name))
        }
    }

    private mutating func inspectCommits(of app: App, _ references: StateReferences) throws {
        let (live, kept) = try references.wanted(app)
        let repository = try app.repository()
        let needed = kept.union(live.values)
        for revision in needed.sorted(by: { $0.hex < $1.hex }) where !repository.contains(revision) {
            let isLive = live.values.contains(revision)
            find(
                .commitMissing, at: "\(app.repositoryPath) \(revision.hex)",
                isLive
                    ? "the commit is live, and gone from the repository" : "the commit is deployed or queued, and gone",
                remedy:
                    "push it again from a clone: git push \(app.repositoryPath) \(revision.abbreviated()):refs/heads/found"
            )
        }
    }

    /// `update NAME ID` and `delete NAME ID`, as git takes them. Keep-refs that are kept for longer harm nobody.
    private mutating func report(_ line: String, _ app: App) {
        let words = line.split(separator: " ").map(String.init)
        guard words.count == 3 else { return }
        let isKeep = words[1].hasPrefix("refs/shipit/keep/")
        if isKeep, words[0] == "delete" { return }
        let id = words[2].prefix(7)
        find(
            isKeep ? .keepReference : .stateReference, at: "\(app.repositoryPath) \(words[1])",
            isKeep
                ? "\(id) is deployed or queued, and nothing keeps it from git gc"
                : words[0] == "delete"
                    ? "it shows \(id), and nothing is live there" : "it does not show \(id), which is live",
            remedy: "the next deployment sets it", repair: .references(app: app.name))
    }

    private mutating func inspectNotes(of app: App) async throws {
        let notes = try await StateNotes(installation: installation).differences(app)
        guard let first = notes.first else { return }
        let what =
            first.text == nil
            ? "it was never deployed, or is not by now" : first.isMissing ? "there is none" : "it says something else"
        let more = notes.count == 1 ? "" : ", and \(notes.count - 1) more are not as the ledger has them"
        find(
            .stateNote, at: "\(app.repositoryPath) \(StateNotes.name(app.name))",
            "the note of \(first.name): \(what)\(more)",
            remedy: "deploying it again writes its note",
            repair: .references(app: app.name))
    }

    /// With a worker, or a push in the spool, somebody is about to explain them.
    private mutating func inspectMoves(of app: App) throws {
        let spoolIsEmpty = FileSystem.names(in: installation.home.spool).allSatisfy { !$0.hasSuffix(".push") }
        guard !isAttended, spoolIsEmpty else { return }
        let known = try installation.ledger.references(of: app.name)
        let present = try app.pipeline.references(of: try app.repository())
        for name in Set(known.keys).union(present.keys).sorted() where known[name] != present[name] {
            find(
                .referenceMoved, .warning, at: "\(app.repositoryPath) \(name)",
                "it is at \(present[name]?.abbreviated() ?? "nothing"), and the ledger knows \(known[name]?.abbreviated() ?? "nothing")",
                remedy: "shipit work takes it in as a push")
        }
    }
}
