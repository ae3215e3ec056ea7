import ArtifactKit

/// The folders of builds, below the home's `work`.
enum Workspaces {
    /// Removes a workspace; what cannot be removed is tried again when the next worker starts.
    static func remove(_ path: String) {
        guard let slash = path.lastIndex(of: "/"), FileSystem.exists(path) else { return }
        // A leftover costs disk and nothing else, and the next worker's sweep reports it.
        try? Directory(path: String(path[..<slash])).removeTree(Array(path[path.index(after: slash)...].utf8))
    }

    /// Removes what crashed builds left; gives the names that could not be removed.
    static func sweep(_ home: Home) -> [String] {
        for name in leftovers(home) { remove("\(home.work)/\(name)") }
        return leftovers(home)
    }

    /// All names but those of workspaces that the next build of their app may have.
    static func leftovers(_ home: Home) -> [String] {
        FileSystem.names(in: home.work).filter { !KeptWorkspace.isKept($0, home) }
    }
}
