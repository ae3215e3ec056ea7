import Glibc

/// The repository's side of a template: buildspec.yml, appspec.yml, hook scripts and a small application.
public enum Templates {
    public static var names: [String] {
        Set(
            EmbeddedFiles.all.compactMap { file in
                let parts = file.path.split(separator: "/")
                return parts.count > 2 && parts[0] == "templates" ? String(parts[1]) : nil
            }
        ).subtracting(["demo"]).sorted()
    }

    static func unknown(_ name: String) -> ShipitError {
        let meant = suggestion(for: name, among: names).map { "did you mean \($0)?" }
        return ShipitError(
            .usage, "there is no template \(visibleLine(name))",
            hint: meant ?? "the templates are \(names.joined(separator: ", "))")
    }

    /// Writes the template's files below a folder; refuses before writing anything if one is there already.
    public static func write(_ name: String, into folder: String) throws -> [String] {
        let prefix = "templates/\(name)/repository/"
        let files = EmbeddedFiles.all.filter { $0.path.hasPrefix(prefix) }
        guard !files.isEmpty else { throw unknown(name) }
        let paths = files.map { "\(folder)/\($0.path.dropFirst(prefix.count))" }
        let there = paths.filter { FileSystem.linkStatus($0) != nil }
        guard there.isEmpty else {
            throw ShipitError(
                .usage, "\(there[0]) is there already, so nothing was written",
                hint: "name an empty folder, or move it away")
        }
        for (file, path) in zip(files, paths) {
            try makeParents(of: path)
            try FileSystem.write(path, Array(file.content.utf8), mode: file.isExecutable ? 0o755 : 0o644, sync: false)
        }
        return paths
    }

    private static func makeParents(of path: String) throws {
        guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return }
        let parent = String(path[..<slash])
        if FileSystem.isFolder(parent) { return }
        try makeParents(of: parent)
        guard mkdir(parent, 0o755) == 0 || errno == EEXIST else {
            throw ShipitError(.failure, "could not make \(parent): \(systemReason(errno))")
        }
    }
}
