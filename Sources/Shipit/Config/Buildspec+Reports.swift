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

            public var isCoverage: Bool {
                switch self {
                case .cloverXML, .coberturaXML, .jacocoXML, .simpleCov: true
                default: false
                }
            }
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
        guard let entries = pairs(node, of: "reports") else { return [] }
        if entries.count > Buildspec.Report.most {
            warn(node, "reports has \(entries.count) groups, the first \(Buildspec.Report.most) are read")
        }
        return entries.prefix(Buildspec.Report.most).compactMap { key, name, node in
            if isNull(node) {
                warn(key, "the report \(name) is empty")
                return nil
            }
            let keys = mapping(
                node, of: name, keys: ["files", "file-format", "base-directory", "discard-paths"], unknown: .warning)
            guard let files = value(keys, "files") else {
                error(node, "the report \(name) has no files, expected a list such as - '**/*.xml'")
                return nil
            }
            return Buildspec.Report(
                name: name, files: sourceGlobs(files, of: "files"),
                format: value(keys, "file-format").flatMap(format) ?? .jUnitXML,
                baseDirectory: value(keys, "base-directory").flatMap(baseDirectory))
        }
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
