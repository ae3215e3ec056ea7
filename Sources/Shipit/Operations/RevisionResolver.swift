public import GitKit

/// Turns what people type for a revision into a commit id: a unique prefix, a branch or a tag.
public struct RevisionResolver: Sendable {
    let installation: Installation
    let app: App

    public init(_ installation: Installation, _ app: App) {
        self.installation = installation
        self.app = app
    }

    /// The commit, and how the text was read when it could have been read in two ways.
    ///
    /// Works without the repository for revisions that runs know, since a rollback must.
    public func resolve(_ text: String) throws -> (revision: Revision, reading: String?) {
        guard !text.isEmpty, text.utf8.count <= 1024, !text.hasPrefix("-"), !text.utf8.contains(0) else {
            throw ShipitError(.usage, "\(visibleLine(text)) is no revision", hint: "a commit id, a branch or a tag")
        }
        var readings: [(what: String, revision: Revision)] = []
        let isHexadecimal =
            text.utf8.count >= 4 && text.utf8.count <= 64 && text.allSatisfy { $0.isHexDigit && $0.isASCII }
        let prefix = text.lowercased()
        let known = isHexadecimal ? try installation.ledger.revisions(of: app.name, prefix: prefix) : []
        let repository: Repository?
        do {
            repository = try app.repository()
        } catch {
            if known.count == 1 { return (known[0], nil) }
            throw error
        }
        guard let repository else { return (known[0], nil) }
        for (what, name) in [("the branch", "refs/heads/\(text)"), ("the tag", "refs/tags/\(text)")] {
            if let id = try repository.target(of: ReferenceName(name)), let commit = try repository.commitID(of: id) {
                readings.append(("\(what) \(visibleLine(text))", commit))
            }
        }
        if isHexadecimal {
            readings += try byPrefix(prefix, repository, known).map { ("the commit \($0.abbreviated())", $0) }
        }
        guard let first = readings.first else {
            throw ShipitError(
                .unavailable, "there is no revision \(visibleLine(text)) in \(app.name)",
                hint: "a commit id of at least 4 digits, a branch or a tag; shipit revisions lists what was deployed")
        }
        let isAmbiguous = Set(readings.map(\.revision)).count > 1
        return (first.revision, isAmbiguous ? "\(visibleLine(text)) is taken as \(first.what)" : nil)
    }

    private func byPrefix(_ prefix: String, _ repository: Repository, _ known: [Revision]) throws -> [Revision] {
        do {
            let id = try repository.resolve(prefix: prefix)
            return try repository.commitID(of: id).map { [$0] } ?? []
        } catch let error as GitError where error.code == .notFound {
            return known
        } catch let error as GitError where error.code == .ambiguous {
            // Among the revisions that were shipped the prefix may still be unique.
            if known.count == 1 { return known }
            throw ShipitError(.usage, "several commits begin with \(prefix)", hint: "type more digits")
        }
    }
}
