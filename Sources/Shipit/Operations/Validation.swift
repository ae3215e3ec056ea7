import ArtifactKit
public import GitKit

/// What is wrong with pipeline.yml, buildspec.yml and appspec.yml, and with what they name.
public struct Validation: Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        case pipeline, buildspec, appspec

        /// By the file's name.
        init?(name: String) {
            let file = name.split(separator: "/").last.map(String.init) ?? name
            guard file.hasSuffix(".yml") || file.hasSuffix(".yaml") || file.hasSuffix(".json"),
                let kind = Kind.allCases.first(where: { file.lowercased().contains($0.rawValue) })
            else { return nil }
            self = kind
        }
    }

    /// The files that were judged.
    public private(set) var files: [String] = []
    public internal(set) var diagnostics: [Diagnostic] = []

    public var hasErrors: Bool { diagnostics.contains { $0.severity == .error } }

    /// A single file, by itself.
    public init(file: String, kind: Kind?) throws {
        guard let kind = kind ?? Kind(name: file) else {
            throw ShipitError(
                .usage, "the name \(visibleLine(file)) does not say what the file is",
                hint: "--kind pipeline, buildspec or appspec")
        }
        guard FileSystem.exists(file) else {
            throw ShipitError(.unavailable, "there is no file \(visibleLine(file))")
        }
        let slash = file.lastIndex(of: "/")
        let folder = slash.map { String(file[..<$0]) + "/" } ?? "."
        let name = slash.map { String(file[file.index(after: $0)...]) } ?? file
        let tree = try FolderTree(folder)
        guard try tree.kind(of: name)?.isFile ?? false else { throw tree.root.notAFile(file) }
        judge(file, kind, try tree.read(name, limit: YAMLReader.sizeLimit + 1))
        sort()
    }

    /// A folder with everything that its files name. `appspec`: how it is called there, when not as usual.
    public init(directory: String, appspec: String? = nil) throws {
        let tree = try FolderTree(directory)
        for name in ["pipeline.yml", "pipeline.yaml"] where try tree.kind(of: name)?.isFile ?? false {
            judge(name, .pipeline, try tree.read(name, limit: YAMLReader.sizeLimit + 1))
        }
        try judge(tree, buildspec: "buildspec.yml", appspec: appspec, isOnDisk: true, views: nil)
        guard !files.isEmpty else {
            throw ShipitError(
                .unavailable, "there is no pipeline.yml, buildspec.yml or appspec.yml in \(visibleLine(directory))",
                hint: "a revision without them is packed as it is; shipit template NAME writes them")
        }
    }

    /// A revision of an app with everything that its files name, and the policy under which it would ship.
    ///
    /// `viewObstacle`: why this machine has no views, from ``viewObstacle()``.
    public init(revision: Revision, of app: App, in installation: Installation, viewObstacle: String?) throws {
        files = [app.pipeline.repository + " " + revision.abbreviated()]
        diagnostics = app.warnings
        for name in app.pipeline.environments.map(\.name) + [Pipeline.buildName] {
            let file = installation.home.policy(app.name)
            diagnostics += try SecretSources(installation, app.name, name, app.pipeline).gaps().map {
                Diagnostic(.warning, file: file, "\($0.what); \($0.mend)")
            }
        }
        let tree = RevisionTree(repository: try app.repository(), revision: revision)
        let views = ViewReview(
            environments: app.pipeline.environments, reserved: installation.reserved, obstacle: viewObstacle)
        try judge(
            tree, buildspec: app.pipeline.build.buildspec, appspec: nil, isOnDisk: false, views: views)
    }

    /// Why hook scripts cannot be shown a release where its appspec has it; nil where they can.
    public static func viewObstacle() async -> String? { await View.obstacle() }

    private mutating func judge(_ file: String, _ kind: Kind, _ bytes: [UInt8]) {
        switch kind {
        case .pipeline: judge(file) { () throws(Diagnostics) in try Pipeline.parse(bytes, file: file) }
        case .buildspec: judge(file) { () throws(Diagnostics) in try Buildspec.parse(bytes, file: file) }
        case .appspec:
            let appspec = judge(file) { () throws(Diagnostics) in try Appspec.parse(bytes, file: file) }
            diagnostics += appspec?.additions(file: file) ?? []
        }
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

    /// By file, as they came up, and by place.
    private mutating func sort() {
        var order: [String: Int] = [:]
        for diagnostic in diagnostics where order[diagnostic.file] == nil { order[diagnostic.file] = order.count }
        func key(_ diagnostic: Diagnostic) -> (Int, Int, Int) {
            (order[diagnostic.file] ?? 0, diagnostic.line ?? 0, diagnostic.column ?? 0)
        }
        diagnostics.sort { key($0) < key($1) }
    }

    // MARK: With what they name

    private mutating func judge(
        _ tree: some SourceTree, buildspec: String, appspec: String?, isOnDisk: Bool, views: ViewReview?
    ) throws {
        var spec: Buildspec?
        switch try tree.kind(of: buildspec) {
        case nil: break
        case .file, .executable:
            let bytes = try tree.read(buildspec, limit: YAMLReader.sizeLimit + 1)
            spec = judge(buildspec) { () throws(Diagnostics) in try Buildspec.parse(bytes, file: buildspec) }
        default: diagnostics.append(Diagnostic(.error, file: buildspec, "it is not a regular file"))
        }
        // What a build makes cannot be known before it; without one the artifact is the tree.
        let isBuilt = files.contains(buildspec)
        if let name = try findAppspec(appspec, in: tree) {
            let bytes = try tree.read(name, limit: YAMLReader.sizeLimit + 1)
            if let appspec = judge(name, { () throws(Diagnostics) in try Appspec.parse(bytes, file: name) }) {
                diagnostics += appspec.remarks(file: name) + appspec.additions(file: name)
                let places = AppspecPlaces(bytes)
                var review = AppspecReview(appspec, name, places, tree, isBuilt: isBuilt, isOnDisk: isOnDisk)
                diagnostics += try review.run()
                diagnostics += try views?.run(appspec, name, places, tree) ?? []
                if let spec { judgeArtifacts(spec, buildspec, appspec, name) }
            }
        }
        sort()
    }

    /// The usual names stand for each other; one that somebody chose stands for itself (AWS reference 1.1).
    private mutating func findAppspec(_ chosen: String?, in tree: some SourceTree) throws -> String? {
        let names = Appspec.names
        if let chosen, !names.contains(chosen) {
            if try tree.kind(of: chosen)?.isFile ?? false { return chosen }
            files.append(chosen)
            diagnostics.append(Diagnostic(.error, file: chosen, "there is no such file", onAWS: "the deployment fails"))
            return nil
        }
        let found = try names.filter { try tree.kind(of: $0)?.isFile ?? false }
        if found == ["appspec.yaml"], chosen != "appspec.yaml" {
            diagnostics.append(
                Diagnostic(
                    .warning, file: "appspec.yaml", "the usual name is appspec.yml; this one is read too",
                    onAWS: "an agent before 2.0 does not find it at BeforeInstall, unless it is told the name"))
        } else if found.count == 2 {
            diagnostics.append(
                Diagnostic(
                    .warning, file: "appspec.yaml", "it is not read, since there is an appspec.yml", onAWS: "the same"))
        }
        return found.first
    }

    /// A build's artifact has what the buildspec names and nothing else.
    private mutating func judgeArtifacts(_ spec: Buildspec, _ buildspec: String, _ appspec: Appspec, _ file: String) {
        guard let artifacts = spec.artifacts, artifacts.baseDirectory == nil, !artifacts.discardPaths,
            !artifacts.files.isEmpty, !artifacts.namesVariables, spec.batch == nil
        else { return }
        let needed = [file] + appspec.hooks.values.joined().map(\.location)
        for path in Set(needed).sorted() {
            let bytes = Array(path.utf8)
            let isPacked =
                artifacts.files.contains { $0.matches(bytes) } && !artifacts.excludePaths.contains { $0.matches(bytes) }
            if !isPacked {
                diagnostics.append(
                    Diagnostic(
                        .warning, file: buildspec,
                        "the artifacts leave out \(visibleLine(path)), so it is not there when the release is installed",
                        onAWS: "the deployment fails when it is needed"))
            }
        }
    }
}

extension InstallRoot {
    fileprivate func notAFile(_ path: String) -> ShipitError {
        ShipitError(.unavailable, "\(visibleLine(path)) is not a regular file")
    }
}
