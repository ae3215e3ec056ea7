extension Buildspec {
    /// Reads what CodeBuild reads: what it passes over is a warning, and everything that is wrong is told at once.
    public static func parse(_ bytes: [UInt8], file: String) throws(Diagnostics) -> (Buildspec, [Diagnostic]) {
        let reader = YAMLReader(file: file, dialect: .buildspec)
        guard let root = try reader.compose(bytes) else {
            throw Diagnostics([
                Diagnostic(.error, file: file, line: 1, column: 1, "the file is empty, expected version: 0.2")
            ])
        }
        let buildspec = Buildspec(root, reader)
        return (buildspec, try reader.finish())
    }

    private static let keys = [
        "version", "run-as", "env", "proxy", "batch", "phases", "reports", "artifacts", "cache",
    ]

    private init(_ root: Node, _ reader: YAMLReader) {
        let keys = reader.mapping(
            root, of: "the buildspec", keys: Self.keys + ["environment_variables"], unknown: .warning)
        if let node = keys["version"] {
            version = reader.version(node) ?? .two
        } else {
            reader.error(root, "\"version\" is missing, expected version: 0.2")
        }
        runAs = reader.value(keys, "run-as").flatMap { reader.user($0) }
        if let node = reader.value(keys, "env") { reader.environment(node, into: &self) }
        if let node = reader.value(keys, "environment_variables") { reader.oldVariables(node, into: &self) }
        if let node = reader.value(keys, "proxy") { reader.proxy(node) }
        if let node = reader.value(keys, "batch") { batch = reader.batch(node) }
        if let node = reader.value(keys, "phases") {
            reader.phases(node, into: &self)
        } else if batch == nil {
            reader.noPhases(keys["phases"], root)
        }
        if let node = reader.value(keys, "reports") { reports = reader.reports(node) }
        if let node = reader.value(keys, "artifacts") { artifacts = reader.artifacts(node, version) }
        let own = artifacts
        if let node = keys["batch"], let clash = batch?.clash({ $0.buildspec == nil ? own : nil }) {
            reader.error(node, clash)
        }
        if let node = reader.value(keys, "cache") { cache = reader.cache(node) }
    }
}

extension YAMLReader {
    /// As a number, in quotes or not: 0.20 is 0.2.
    fileprivate func version(_ node: Node) -> Buildspec.Version? {
        guard let text = text(node, of: "version") else { return nil }
        let word = text.trimmed
        if let number = Double(word),
            let version = Buildspec.Version.allCases.first(where: { Double($0.rawValue) == number })
        {
            return version
        }
        error(node, "version \(text.prefix(40)) is not known, expected 0.2 (or 0.1)")
        return nil
    }

    /// The key that was meant to be it, if there is one.
    fileprivate func noPhases(_ node: Node?, _ root: Node) {
        guard case .mapping(let mapping) = root else { return }
        let keys = mapping.entries.map(\.key)
        let names = Buildspec.PhaseName.allCases.map(\.rawValue)
        if let stray = keys.first(where: { names.contains($0.scalar?.string ?? "") }), let name = stray.scalar?.string {
            let words = node == nil ? "needs phases: above it and more room to its left" : "stands beside phases"
            let how = node == nil ? "" : ", move it to the right so that it is part of it"
            return error(stray, "\"\(name)\" \(words)\(how)")
        }
        let meant = keys.first { suggestion(for: $0.scalar?.string ?? "", among: ["phases"]) != nil }
        if node == nil, let meant, let name = meant.scalar?.string {
            error(meant, "\"phases\" is missing, and \"\(name)\" is probably meant to be it")
        } else {
            error(node ?? root, "\"phases\" is missing, expected phases with build: or others")
        }
    }

    func user(_ node: Node) -> String? {
        guard let name = text(node, of: "run-as") else { return nil }
        let isName = name.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || "._-${}".utf8.contains(byte)
        }
        if isName { return name }
        error(node, "run-as wants the name of a user, found \"\(name.prefix(40))\"")
        return nil
    }

    fileprivate func proxy(_ node: Node) {
        _ = mapping(node, of: "proxy", keys: ["upload-artifacts", "logs"], unknown: .warning)
        warn(node, "proxy has no effect: artifacts and logs stay on this machine")
    }
}
