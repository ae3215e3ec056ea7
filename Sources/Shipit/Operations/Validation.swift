import ArtifactKit
public import GitKit

/// What is wrong with pipeline.yml, buildspec.yml and appspec.yml, and with what they name.
public struct Validation: Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        case pipeline, buildspec, appspec

        /// By the file's name.
        init?(name: String) {
            let file = name.split(separator: "/").last.map(String.init) ?? name
            guard file.hasSuffix(".yml") || file.hasSuffix(".yaml"),
                let kind = Kind.allCases.first(where: { file.hasPrefix($0.rawValue) })
            else { return nil }
            self = kind
        }
    }

    /// The files that were judged.
    public private(set) var files: [String] = []
    public private(set) var diagnostics: [Diagnostic] = []

    public var hasErrors: Bool { diagnostics.contains { $0.severity == .error } }

    /// A single file, by itself.
    public init(file: String, kind: Kind?) throws {
        guard let kind = kind ?? Kind(name: file) else {
            throw ShipitError(
                .usage, "the name \(visibleLine(file)) does not say what the file is",
                hint: "--kind pipeline, buildspec or appspec")
        }
        guard let bytes = try FileSystem.read(file, limit: YAMLReader.sizeLimit + 1) else {
            throw ShipitError(.unavailable, "there is no file \(visibleLine(file))")
        }
        switch kind {
        case .pipeline: judge(file) { () throws(Diagnostics) in try Pipeline.parse(bytes, file: file) }
        case .buildspec: judge(file) { () throws(Diagnostics) in try Buildspec.parse(bytes, file: file) }
        case .appspec: judge(file) { () throws(Diagnostics) in try Appspec.parse(bytes, file: file) }
        }
    }

    /// A folder with everything that its files name.
    public init(directory: String) throws {
        let tree = FolderTree(folder: try Directory(path: directory))
        for name in ["pipeline.yml", "pipeline.yaml"] where try tree.kind(of: name)?.isFile ?? false {
            let bytes = try tree.read(name)
            judge(name) { () throws(Diagnostics) in try Pipeline.parse(bytes, file: name) }
        }
        try judge(tree, buildspec: "buildspec.yml", isOnDisk: true)
        guard !files.isEmpty else {
            throw ShipitError(
                .unavailable, "there is no pipeline.yml, buildspec.yml or appspec.yml in \(visibleLine(directory))",
                hint: "a revision without them is packed as it is; shipit template NAME writes them")
        }
    }

    /// A revision of an app with everything that its files name, and the policy under which it would ship.
    public init(revision: Revision, of app: App) throws {
        files = [app.pipeline.repository + " " + revision.abbreviated()]
        diagnostics = app.warnings
        let tree = RevisionTree(repository: try app.repository(), revision: revision)
        try judge(tree, buildspec: app.pipeline.build.buildspec, isOnDisk: false)
    }

    @discardableResult
    private mutating func judge<Value>(
        _ file: String, _ parse: () throws(Diagnostics) -> (Value, [Diagnostic])
    ) -> Value? {
        files.append(file)
        do throws(Diagnostics) {
            let (value, warnings) = try parse()
            diagnostics += warnings
            return value
        } catch {
            diagnostics += error.all
            return nil
        }
    }

    // MARK: With what they name

    private mutating func judge(_ tree: some SourceTree, buildspec: String, isOnDisk: Bool) throws {
        var spec: Buildspec?
        switch try tree.kind(of: buildspec) {
        case nil: break
        case .file, .executable:
            let bytes = try tree.read(buildspec)
            spec = judge(buildspec) { () throws(Diagnostics) in try Buildspec.parse(bytes, file: buildspec) }
        default: diagnostics.append(Diagnostic(.error, file: buildspec, "it is not a regular file"))
        }
        for name in ["appspec.yml", "appspec.yaml"] where try tree.kind(of: name)?.isFile ?? false {
            let bytes = try tree.read(name)
            guard let appspec = judge(name, { () throws(Diagnostics) in try Appspec.parse(bytes, file: name) }) else {
                break
            }
            diagnostics += appspec.remarks(file: name)
            // What a build makes cannot be known before it; without one the artifact is the tree.
            let isBuilt = files.contains(buildspec)
            try judge(appspec, name, String(decoding: bytes, as: UTF8.self), tree, isBuilt: isBuilt, isOnDisk: isOnDisk)
            if let spec { judgeArtifacts(spec, buildspec, appspec, name) }
            break
        }
    }

    private mutating func judge(
        _ appspec: Appspec, _ file: String, _ text: String, _ tree: some SourceTree, isBuilt: Bool, isOnDisk: Bool
    ) throws {
        let absent: Diagnostic.Severity = isBuilt ? .warning : .error
        let unless = isBuilt ? ", unless the build makes it" : ""
        for mapping in appspec.files where !mapping.source.isEmpty {
            guard try tree.kind(of: mapping.source) == nil else { continue }
            let message = "the source \(visibleLine(mapping.source)) is not there\(unless)"
            diagnostics.append(Diagnostic(absent, file: file, line: Self.line(of: mapping.source, in: text), message))
        }
        for event in LifecycleEvent.ofDeployment {
            for script in appspec.hooks[event] ?? [] {
                let line = Self.line(of: script.location, in: text)
                let shown = "\(event.rawValue): the script \(visibleLine(script.location))"
                func say(_ severity: Diagnostic.Severity, _ what: String) {
                    diagnostics.append(Diagnostic(severity, file: file, line: line, "\(shown) \(what)"))
                }
                switch try tree.kind(of: script.location) {
                case nil: say(absent, "is not there\(unless)")
                case .directory, .other: say(.error, "is not a regular file")
                case .file:
                    say(
                        .warning,
                        isOnDisk ? "is not executable; chmod +x" : "is not executable; git update-index --chmod=+x")
                    try judgeShebang(script.location, tree)
                case .executable: try judgeShebang(script.location, tree)
                }
            }
        }
    }

    /// The kernel takes the carriage return for a part of the interpreter's name.
    private mutating func judgeShebang(_ script: String, _ tree: some SourceTree) throws {
        let first = try tree.read(script).prefix { $0 != UInt8(ascii: "\n") }
        guard first.starts(with: Array("#!".utf8)), first.last == UInt8(ascii: "\r") else { return }
        diagnostics.append(
            Diagnostic(
                .error, file: visibleLine(script), line: 1,
                "the line \(visibleLine(String(decoding: first, as: UTF8.self))) ends with a carriage return, so there is no such interpreter"
            ))
    }

    /// A build's artifact has what the buildspec names and nothing else.
    private mutating func judgeArtifacts(_ spec: Buildspec, _ buildspec: String, _ appspec: Appspec, _ file: String) {
        guard let artifacts = spec.artifacts, artifacts.baseDirectory == nil, !artifacts.discardPaths else { return }
        let needed = [file] + appspec.hooks.values.joined().map(\.location)
        for path in Set(needed).sorted() {
            let bytes = Array(path.utf8)
            let isPacked =
                artifacts.files.contains { $0.matches(bytes) } && !artifacts.excludePaths.contains { $0.matches(bytes) }
            if !isPacked {
                diagnostics.append(
                    Diagnostic(
                        .warning, file: buildspec,
                        "the artifacts leave out \(visibleLine(path)), so it is not there when the release is installed"
                    ))
            }
        }
    }

    /// Where a value stands, near enough to find it.
    private static func line(of value: String, in text: String) -> Int? {
        text.split(separator: "\n", omittingEmptySubsequences: false).firstIndex { $0.contains(value) }.map { $0 + 1 }
    }
}
