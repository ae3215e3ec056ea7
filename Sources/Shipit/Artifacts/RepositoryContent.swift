import ArtifactKit
import GitKit

/// The files of a revision, straight from git's objects.
struct RepositoryContent: Content {
    let repository: String
    let revision: Revision

    func reader() throws -> any ContentReader {
        let repository = try Repository(at: repository)
        return Reader(repository: repository, lookup: try TreeLookup(repository, revision))
    }

    private struct Reader: ContentReader {
        let repository: Repository
        let lookup: TreeLookup

        func read(
            _ section: Section, _ entries: [ManifestEntry], wanted: (Int) -> Bool,
            _ visit: (ManifestEntry, TarballReader.Content) throws -> Void
        ) throws {
            for (place, entry) in entries.enumerated() where entry.kind == .file && wanted(place) {
                guard let found = try lookup.entry(at: entry.path) else {
                    throw ShipitError(.failure, "\(visible(entry.path)) is not in the revision")
                }
                let (_, read) = try repository.file(found)
                try visit(entry, read)
            }
        }
    }
}
