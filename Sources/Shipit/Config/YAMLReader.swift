/// Reads a YAML file as text scalars with places, within a budget, and collects everything that is wrong with it.
///
/// Nothing becomes a number or a truth by itself: `no` stays `no`, and `0644` stays `0644`.
final class YAMLReader {
    static let sizeLimit = 1 << 20

    /// Whose file it is, and so what is a mistake in it.
    enum Dialect: Hashable, Sendable {
        /// Ours: strict.
        case policy
        /// AWS's: what AWS reads is read, and what it makes of that is said.
        case appspec, buildspec
    }

    let file: String
    let dialect: Dialect
    private(set) var diagnostics: [Diagnostic] = []
    /// What becomes of what is wrong, where it fails nothing.
    private var consequence: String?
    private var errors = 0

    init(file: String, dialect: Dialect = .policy) {
        self.file = file
        self.dialect = dialect
    }

    /// The document's root, or nil for an empty file. Throws when there is no way to read on.
    func compose(_ bytes: [UInt8]) throws(Diagnostics) -> Node? {
        guard bytes.count <= Self.sizeLimit else {
            throw stop("the file has \(bytes.count) bytes, at most \(Self.sizeLimit) are read")
        }
        let text: String
        do {
            text = try YAMLText.decode(bytes)
            var composer = YAMLComposer()
            let root = try composer.compose(text)
            if bytes.starts(with: YAMLText.byteOrderMark), dialect == .appspec {
                report(
                    .warning, Node.Mark(line: 1, column: 1), "the file begins with a byte order mark; save it without",
                    onAWS: "the version is not found, and the deployment fails")
            }
            for (finding, mark) in composer.findings { judge(finding, mark) }
            guard let root, !isNull(root) else { return nil }
            if dialect == .appspec { refuseDates(root) }
            return root
        } catch {
            throw stop(error.message, error.mark)
        }
    }

    /// What becomes of a file that the agent does not take either.
    private var refusal: String? { dialect == .appspec ? "the deployment fails at its first event" : nil }

    /// The agent's YAML reader makes a date of 2026-11-23 without quotes, and then refuses to have one.
    private func refuseDates(_ node: Node) {
        switch node {
        case .scalar(let scalar) where scalar.isPlain:
            let parts = scalar.string.split(separator: "-", omittingEmptySubsequences: false)
            guard parts.map(\.count).first == 4, parts.count == 3,
                parts.allSatisfy({ $0.count <= 4 && Int($0) != nil }),
                (1...12).contains(Int(parts[1]) ?? 0), (1...31).contains(Int(parts[2]) ?? 0)
            else { return }
            error(node, "\(scalar.string) is a date for YAML; put it in quotes")
        case .scalar: break
        case .sequence(let sequence): sequence.nodes.forEach(refuseDates)
        case .mapping(let mapping):
            for (key, value) in mapping.entries {
                refuseDates(key)
                refuseDates(value)
            }
        }
    }

    private func judge(_ finding: YAMLComposer.Finding, _ mark: Node.Mark) {
        switch finding {
        case .repeated(let key, let first):
            let message = "\"\(key)\" stands twice, first in line \(first.line)"
            if dialect == .policy {
                report(.error, mark, message)
            } else {
                report(.warning, mark, message + "; the last one counts", onAWS: "the first one is ignored too")
            }
        case .alias(let name) where dialect == .appspec:
            report(
                .warning, mark, "the alias *\(name) is read as what it stands for",
                onAWS: "an agent with Ruby 3.1 or later refuses aliases")
        case .alias: break
        case .tag(let name):
            report(
                .error, mark, "the tag \(name) has no meaning here, expected plain text", onAWS: refusal)
        case .anotherDocument where dialect == .policy: report(.error, mark, "the file holds more than one document")
        case .anotherDocument:
            report(.warning, mark, "only the first document is read", onAWS: "the rest is ignored too")
        }
    }

    func error(_ node: Node?, _ message: String, onAWS: String? = nil) {
        errors += 1
        if let consequence { return report(.warning, node?.mark, "\(message): \(consequence)") }
        report(.error, node?.mark, message, onAWS: onAWS ?? refusal)
    }

    /// Reads what fails nothing when it is wrong: errors become warnings that say what comes of it, and there is no value.
    func forgiving<Value>(_ consequence: String, _ read: () -> Value) -> Value? {
        let before = errors
        self.consequence = consequence
        defer { self.consequence = nil }
        let value = read()
        return errors == before ? value : nil
    }

    func warn(_ node: Node?, _ message: String, onAWS: String? = nil) {
        report(.warning, node?.mark, message, onAWS: onAWS)
    }

    /// Ends the reading: throws if any error was found, else hands out the warnings, in the order of the file.
    func finish() throws(Diagnostics) -> [Diagnostic] {
        let sorted = diagnostics.sorted { ($0.line ?? 0, $0.column ?? 0) < ($1.line ?? 0, $1.column ?? 0) }
        guard sorted.contains(where: { $0.severity == .error }) else { return sorted }
        throw Diagnostics(sorted)
    }

    // MARK: Shapes

    /// A mapping's entries by key; unknown keys are reported with the key that was probably meant.
    ///
    /// `later` are keys with a meaning in AWS's format or a later shipit: they are refused by name. `hints`: what to do
    /// instead of some keys that people write, though nobody reads them.
    func mapping(
        _ node: Node, of what: String, keys: [String], later: [String] = [], unknown: Diagnostic.Severity = .error,
        hints: [String: String] = [:]
    ) -> [String: Node] {
        guard let entries = pairs(node, of: what) else { return [:] }
        let ignored = unknown == .warning && dialect == .appspec ? "the key is ignored too" : nil
        var found: [String: Node] = [:]
        for (key, name, value) in entries {
            if keys.contains(name) {
                found[name] = value
            } else if later.contains(name) {
                error(key, "\"\(name)\" is not supported yet")
            } else if let hint = hints[name] {
                report(unknown, key.mark, "\"\(name)\" has no effect; \(hint)", onAWS: ignored)
            } else {
                let meant = suggestion(for: name, among: keys).map { ", did you mean \"\($0)\"?" } ?? ""
                let expected = meant.isEmpty ? ", expected one of \(keys.joined(separator: ", "))" : meant
                report(unknown, key.mark, "unknown key \"\(name)\" in \(what)\(expected)", onAWS: ignored)
            }
        }
        return found
    }

    /// A mapping's entries in the order of the file, whatever their keys.
    func pairs(_ node: Node, of what: String) -> [(key: Node, name: String, value: Node)]? {
        guard case .mapping(let mapping) = node else {
            error(node, "\(what) wants a mapping (key: value), found \(describe(node))")
            return nil
        }
        return mapping.entries.compactMap { key, value in
            if let name = key.scalar?.string { return (key, name, value) }
            error(key, "a key of \(what) must be plain text")
            return nil
        }
    }

    func list(_ node: Node, of what: String) -> [Node] {
        // For Ruby an empty mapping is as empty as a list.
        if case .mapping(let mapping) = node, mapping.isEmpty, dialect == .appspec { return [] }
        guard case .sequence(let sequence) = node else {
            error(node, "\(what) wants a list, found \(describe(node))")
            return []
        }
        return sequence.nodes
    }

    /// A scalar as it was written; `null` and an empty value count as missing.
    func text(_ node: Node, of what: String) -> String? {
        guard case .scalar(let scalar) = node else {
            error(node, "\(what) wants text, found \(describe(node))")
            return nil
        }
        if scalar.string.isEmpty || isNull(node) {
            error(node, "\(what) has no value")
            return nil
        }
        return scalar.string
    }

    func isNull(_ node: Node) -> Bool {
        guard case .scalar(let scalar) = node, scalar.isPlain else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }

    /// Whether it was written without quotes, so that YAML may take it for a number or a truth.
    func isPlain(_ node: Node) -> Bool { node.scalar?.isPlain ?? false }

    func texts(_ node: Node, of what: String) -> [String] {
        list(node, of: what).compactMap { text($0, of: "an entry of \(what)") }
    }

    /// YAML 1.1's yes and no, in AWS's and in everyone's spelling.
    func flag(_ node: Node, of what: String) -> Bool? {
        guard let word = text(node, of: what) else { return nil }
        switch word.lowercased() {
        case "yes", "true", "on": return true
        case "no", "false", "off": return false
        default:
            error(node, "\(what) wants yes or no, found \"\(word)\"")
            return nil
        }
    }

    func choice<Value: RawRepresentable & CaseIterable>(
        _ node: Node, of what: String, _: Value.Type
    ) -> Value? where Value.RawValue == String {
        guard let word = text(node, of: what) else { return nil }
        if let value = Value(rawValue: word) { return value }
        let words = Value.allCases.map(\.rawValue)
        let meant = suggestion(for: word, among: words).map { "; did you mean \($0)?" } ?? ""
        error(node, "\(what) wants \(words.joined(separator: " or ")), found \"\(word)\"\(meant)")
        return nil
    }

    func duration(_ node: Node, of what: String) -> Duration? {
        guard let word = text(node, of: what) else { return nil }
        if let duration = Duration(text: word) { return duration }
        error(node, "\(what) wants a duration such as 30s, 10m or 2h, found \"\(word)\"")
        return nil
    }

    func number(_ node: Node, of what: String, in range: ClosedRange<Int>) -> Int? {
        guard let word = text(node, of: what) else { return nil }
        if let number = Int(word), range.contains(number) { return number }
        error(node, "\(what) wants a number from \(range.lowerBound) to \(range.upperBound), found \"\(word)\"")
        return nil
    }

    // MARK: Places

    private func report(_ severity: Diagnostic.Severity, _ mark: Node.Mark?, _ message: String, onAWS: String? = nil) {
        guard diagnostics.count < 100 else { return }
        diagnostics.append(
            Diagnostic(severity, file: file, line: mark?.line, column: mark?.column, message, onAWS: onAWS))
    }

    private func stop(_ message: String, _ mark: Node.Mark? = nil) -> Diagnostics {
        Diagnostics(
            diagnostics + [
                Diagnostic(.error, file: file, line: mark?.line, column: mark?.column, message, onAWS: refusal)
            ])
    }

    private func describe(_ node: Node) -> String {
        switch node {
        case .scalar(let scalar): scalar.string.isEmpty ? "nothing" : "\"\(scalar.string.prefix(40))\""
        case .mapping: "a mapping"
        case .sequence: "a list"
        }
    }
}
