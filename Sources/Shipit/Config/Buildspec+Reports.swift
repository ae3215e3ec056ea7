extension Buildspec {
    /// Files that tests and coverage tools leave, to be read after the build.
    public struct Report: Hashable, Sendable {
        public enum Format: String, Hashable, Sendable, CaseIterable, Codable {
            case cucumberJSON = "CUCUMBERJSON"
            case jUnitXML = "JUNITXML"
            case nUnitXML = "NUNITXML"
            case nUnit3XML = "NUNIT3XML"
            case testNGXML = "TESTNGXML"
            case visualStudioTRX = "VISUALSTUDIOTRX"
            case cloverXML = "CLOVERXML"
            case coberturaXML = "COBERTURAXML"
            case jacocoXML = "JACOCOXML"
            case simpleCov = "SIMPLECOV"

            var isJSON: Bool { self == .cucumberJSON || self == .simpleCov }
        }

        public var name: String
        public var files: [Glob]
        public var format: Format
        public var baseDirectory: String?

        /// As at AWS; more are left out.
        static let most = 5
    }
}

extension YAMLReader {
    func reports(_ node: Node) -> [Buildspec.Report] {
        guard let entries = forgiving("no report is read", { pairs(node, of: "reports") ?? [] }) else { return [] }
        if entries.count > Buildspec.Report.most {
            warn(node, "reports has \(entries.count) groups, the first \(Buildspec.Report.most) are read")
        }
        return entries.prefix(Buildspec.Report.most).compactMap { key, name, node in
            if isNull(node) {
                warn(key, "the report \(name) is empty")
                return nil
            }
            return forgiving("the report \(visibleLine(name)) is not read") { report(name, node) } ?? nil
        }
    }

    private func report(_ name: String, _ node: Node) -> Buildspec.Report? {
        let keys = mapping(
            node, of: name, keys: ["files", "file-format", "base-directory", "discard-paths"], unknown: .warning)
        guard let files = value(keys, "files") else {
            error(node, "the report \(name) has no files, expected a list such as - '**/*.xml'")
            return nil
        }
        let globs = sourceGlobs(files, of: "files")
        if globs.isEmpty { error(files, "files wants at least one name or glob") }
        return Buildspec.Report(
            name: name, files: globs,
            format: value(keys, "file-format").flatMap(format) ?? .jUnitXML,
            baseDirectory: value(keys, "base-directory").flatMap(baseDirectory))
    }

    private func format(_ node: Node) -> Buildspec.Report.Format? {
        guard let word = text(node, of: "file-format") else { return nil }
        if let format = Buildspec.Report.Format(rawValue: word.uppercased()) { return format }
        let words = Buildspec.Report.Format.allCases.map(\.rawValue)
        let meant = suggestion(for: word, among: words).map { "; did you mean \($0)?" } ?? ""
        error(node, "file-format wants \(words.joined(separator: ", ")), found \"\(word.prefix(40))\"\(meant)")
        return nil
    }
}
