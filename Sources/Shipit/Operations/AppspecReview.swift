/// Compares an appspec with the files that it is about, before any machine has to.
struct AppspecReview {
    private let appspec: Appspec
    private let file: String
    private let places: AppspecPlaces
    private let tree: any SourceTree
    /// Whether a build comes first, which may make what is not there.
    private let isBuilt: Bool
    private let isOnDisk: Bool

    private var found: [Diagnostic] = []
    /// By where they will be.
    private var plannedFiles: [String: String] = [:]
    /// Of the files those that are links, whose permissions nobody changes.
    private var links: Set<String> = []
    private var plannedFolders: Set<String> = []
    private var visited = 0
    private static let mostFiles = 200_000

    init(
        _ appspec: Appspec, _ file: String, _ places: AppspecPlaces, _ tree: any SourceTree, isBuilt: Bool,
        isOnDisk: Bool
    ) {
        self.appspec = appspec
        self.file = file
        self.places = places
        self.tree = tree
        self.isBuilt = isBuilt
        self.isOnDisk = isOnDisk
    }

    mutating func run() throws -> [Diagnostic] {
        for (index, mapping) in appspec.files.enumerated() { try review(mapping, places.sources.at(index)) }
        // Of files that only a build makes nobody knows whom they belong to.
        if !isBuilt, visited < Self.mostFiles {
            for (index, permission) in appspec.permissions.enumerated() { review(permission, places.objects.at(index)) }
        }
        for (event, scripts) in appspec.hooks.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            for (index, script) in scripts.enumerated() {
                try review(script, of: event, places.locations[event.rawValue]?.at(index))
            }
        }
        return found
    }

    private mutating func say(
        _ severity: Diagnostic.Severity, _ mark: Node.Mark?, _ message: String, onAWS: String? = nil
    ) {
        guard found.count < 100 else { return }
        found.append(
            Diagnostic(severity, file: file, line: mark?.line, column: mark?.column, message, onAWS: onAWS))
    }

    /// What is missing may come from the build.
    private mutating func miss(_ mark: Node.Mark?, _ message: String, onAWS: String) {
        say(isBuilt ? .warning : .error, mark, message + (isBuilt ? ", unless the build makes it" : ""), onAWS: onAWS)
    }

    private static let tooLate = "the deployment fails in Install, after the old files were removed"

    // MARK: files

    private mutating func review(_ mapping: Appspec.FileMapping, _ mark: Node.Mark?) throws {
        let source = mapping.source
        switch source.isEmpty ? .directory : try tree.kind(of: source) {
        case nil:
            let hint = source.contains("*") ? "; names with * are not expanded" : ""
            miss(mark, "the source \(visibleLine(source)) is not there\(hint)", onAWS: Self.tooLate)
        case .directory: try plan(folder: source, to: mapping.destination, mark, inside: [])
        case .file, .executable: try plan(single: source, to: mapping.destination, mark)
        case .deadLink:
            try plan(single: source, to: mapping.destination, mark)
            say(
                .warning, mark,
                "the source \(visibleLine(source)) is a link that leads nowhere, or out of the revision",
                onAWS: "the same: the link is made anew")
        case .other: say(.error, mark, "the source \(visibleLine(source)) is neither a file, a folder nor a link")
        }
    }

    private mutating func plan(single source: String, to destination: String, _ mark: Node.Mark?) throws {
        planFolders(destination, from: source, mark)
        try plan(file: source, to: joined(destination, lastName(source)), mark)
    }

    private mutating func plan(
        folder: String, to destination: String, _ mark: Node.Mark?, inside: [String]
    ) throws {
        let identity = try tree.identity(of: folder)
        guard !inside.contains(identity) else {
            return say(
                .error, mark, "\(visibleLine(folder)) is a link to a folder that it lies in",
                onAWS: "the deployment fails in Install, or never comes to an end")
        }
        guard inside.count < 200 else { return say(.error, mark, "\(visibleLine(folder)) lies too deep") }
        planFolders(destination, from: folder, mark)
        for name in try tree.names(in: folder) where !(folder.isEmpty && name == ".git") {
            visited += 1
            guard visited < Self.mostFiles else { return }
            let path = joined(folder, name)
            if name.contains("\n") {
                say(
                    .error, mark,
                    "\(visibleLine(path)) has a line end in its name, which the list of installed files cannot hold",
                    onAWS: "the next deployment cannot remove it")
                continue
            }
            switch try tree.kind(of: path) {
            case .directory: try plan(folder: path, to: joined(destination, name), mark, inside: inside + [identity])
            case .other:
                say(.error, mark, "\(visibleLine(path)) is neither a file, a folder nor a link", onAWS: Self.tooLate)
            case .file, .executable, .deadLink, nil: try plan(file: path, to: joined(destination, name), mark)
            }
        }
    }

    private mutating func plan(file source: String, to destination: String, _ mark: Node.Mark?) throws {
        if let other = plannedFiles[destination] {
            say(
                .error, mark,
                "\(visibleLine(other)) and \(visibleLine(source)) are both to be installed as /\(visibleLine(destination))",
                onAWS: Self.tooLate)
        } else if plannedFolders.contains(destination) {
            say(
                .error, mark, "a file and a folder are to be installed as /\(visibleLine(destination))",
                onAWS: Self.tooLate)
        } else {
            plannedFiles[destination] = source
            if try tree.isLink(source) { links.insert(destination) }
        }
    }

    private mutating func planFolders(_ folder: String, from source: String, _ mark: Node.Mark?) {
        var path = ""
        for name in folder.split(separator: "/") {
            path = joined(path, String(name))
            if plannedFiles[path] != nil {
                return say(
                    .error, mark, "a file and a folder are to be installed as /\(visibleLine(path))",
                    onAWS: Self.tooLate)
            }
            plannedFolders.insert(path)
        }
    }

    // MARK: permissions

    private var changed: Set<String> = []

    private mutating func review(_ permission: Permission, _ mark: Node.Mark?) {
        let object = permission.object, shown = "permissions of /\(visibleLine(object))"
        var matched: [String] = []
        if links.contains(object) {
            return say(
                .warning, mark, "\(shown): that is a link, and left as it is", onAWS: "what it leads to is changed")
        }
        if plannedFiles[object] != nil {
            guard permission.types.contains(.file) else {
                return say(
                    .warning, mark, "\(shown): that is a file, and type says other", onAWS: "they are ignored too")
            }
            if permission.pattern != "**" || !permission.except.isEmpty {
                return say(
                    .error, mark, "\(shown): that is a file, so pattern and except mean nothing", onAWS: Self.tooLate)
            }
            if permission.acls.contains(where: \.isDefault) {
                return say(
                    .error, mark, "\(shown): that is a file, and default access control entries are for folders",
                    onAWS: Self.tooLate)
            }
            matched = [object]
        } else {
            let prefix = object.isEmpty ? "" : object + "/"
            func isBelow(_ path: String, _ type: Permission.ObjectType) -> Bool {
                path.hasPrefix(prefix) && permission.matches(below: String(path.dropFirst(prefix.count)), type)
            }
            matched =
                plannedFiles.keys.filter { !links.contains($0) && isBelow($0, .file) }
                + plannedFolders.filter { isBelow($0, .directory) }
        }
        if matched.isEmpty {
            let why = plannedFolders.contains(object) ? "; the folder itself is not meant, only what is in it" : ""
            say(
                .warning, mark, "\(shown): nothing that is installed matches\(why)",
                onAWS: "they are ignored without a word")
        }
        for path in matched.sorted() where !changed.insert(path).inserted {
            say(.error, mark, "the permissions of /\(visibleLine(path)) are given more than once", onAWS: Self.tooLate)
        }
        for name in [permission.owner].compactMap(\.self) where isOnDisk && User.named(name) == nil {
            say(
                .warning, mark, "\(shown): \(visibleLine(name)) is no user of this machine",
                onAWS: "the deployment fails in Install where there is none")
        }
        for name in [permission.group].compactMap(\.self) where isOnDisk && Group.named(name) == nil {
            say(
                .warning, mark, "\(shown): \(visibleLine(name)) is no group of this machine",
                onAWS: "the deployment fails in Install where there is none")
        }
    }

    // MARK: Scripts

    private mutating func review(_ script: Appspec.Script, of event: LifecycleEvent, _ mark: Node.Mark?) throws {
        let shown = "\(event.rawValue): the script \(visibleLine(script.location))"
        let end =
            event == .applicationStop
            ? "each later deployment fails at ApplicationStop" : "the deployment fails at \(event.rawValue)"
        switch try tree.kind(of: script.location) {
        case nil:
            let hint = script.location.contains(" ") ? "; a location has no arguments" : ""
            miss(mark, "\(shown) is not there\(hint)", onAWS: end)
        case .deadLink: say(.error, mark, "\(shown) is a link that leads nowhere, or out of the revision", onAWS: end)
        case .directory, .other: say(.error, mark, "\(shown) is not a regular file", onAWS: end)
        case .file:
            say(
                .warning, mark,
                isOnDisk
                    ? "\(shown) is not executable; chmod +x"
                    : "\(shown) is not executable; git update-index --chmod=+x",
                onAWS: "the agent makes it executable, and warns")
            try reviewFirstLine(script.location, shown, mark, end)
        case .executable: try reviewFirstLine(script.location, shown, mark, end)
        }
        if script.location.contains(" "), try tree.kind(of: script.location) != nil {
            say(
                .warning, mark, "\(shown) has a space in its name",
                onAWS: end + ", since the agent takes it for two words")
        }
        if isOnDisk, let name = script.wantedUser, User.named(name) == nil {
            say(
                .warning, mark, "\(shown) runs as \(visibleLine(name)), who is no user of this machine",
                onAWS: end + " where there is none")
        }
    }

    /// The kernel takes a carriage return for a part of the interpreter's name, and knows no line without `#!`.
    private mutating func reviewFirstLine(_ script: String, _ shown: String, _ mark: Node.Mark?, _ end: String) throws {
        let bytes = try tree.read(script, limit: 512)
        let first = bytes.prefix { $0 != UInt8(ascii: "\n") }
        guard !bytes.starts(with: [0x7F] + Array("ELF".utf8)) else { return }
        if bytes.isEmpty {
            say(.warning, mark, "\(shown) is empty, and does nothing", onAWS: "the same")
        } else if bytes.starts(with: YAMLText.byteOrderMark) {
            add(.error, script, "the file begins with a byte order mark, so its first line names no interpreter", end)
        } else if !first.starts(with: Array("#!".utf8)) {
            say(.warning, mark, "\(shown) does not begin with #!, so sh runs it", onAWS: "the same")
        } else if first.last == UInt8(ascii: "\r") {
            let line = visibleLine(String(decoding: first, as: UTF8.self))
            add(.error, script, "the line \(line) ends with a carriage return, so there is no such interpreter", end)
        }
    }

    /// Of the script's own file.
    private mutating func add(_ severity: Diagnostic.Severity, _ script: String, _ message: String, _ onAWS: String) {
        found.append(Diagnostic(severity, file: visibleLine(script), line: 1, column: 1, message, onAWS: onAWS))
    }

    private func joined(_ folder: String, _ name: String) -> String { folder.isEmpty ? name : "\(folder)/\(name)" }

    private func lastName(_ path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }
}
