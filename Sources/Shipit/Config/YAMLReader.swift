import Yams

/// Reads a YAML file as text scalars with places, within a budget, and collects everything that is wrong with it.
///
/// `compose` is used and never `load`: `load` turns `no` into false and `0644` into 420, and dies on alias bombs.
final class YAMLReader {
    static let sizeLimit = 1 << 20
    static let nodeLimit = 10_000

    let file: String
    private(set) var diagnostics: [Diagnostic] = []
    private var visited = 0

    init(file: String) { self.file = file }

    /// The document's root, or nil for an empty file. Throws when there is no way to read on.
    func compose(_ bytes: [UInt8]) throws(Diagnostics) -> Node? {
        guard bytes.count <= Self.sizeLimit else {
            throw stop("the file has \(bytes.count) bytes, at most \(Self.sizeLimit) are read")
        }
        let content = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes
        guard let text = String(validating: content, as: UTF8.self) else {
            throw stop("the file is not UTF-8 text")
        }
        if let place = text.firstControlCharacter {
            throw stop(
                "a control character (code \(place.code)) is not allowed", line: place.line, column: place.column)
        }
        do {
            return try Yams.compose(yaml: text)
        } catch let error as YamlError {
            throw stop(error)
        } catch {
            throw stop("the file cannot be read: \(error)")
        }
    }

    func error(_ node: Node?, _ message: String) { report(.error, node, message) }
    func warn(_ node: Node?, _ message: String) { report(.warning, node, message) }

    /// Ends the reading: throws if any error was found, else hands out the warnings.
    func finish() throws(Diagnostics) -> [Diagnostic] {
        guard diagnostics.contains(where: { $0.severity == .error }) else { return diagnostics }
        throw Diagnostics(diagnostics.sorted { ($0.line ?? 0, $0.column ?? 0) < ($1.line ?? 0, $1.column ?? 0) })
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
        var found: [String: Node] = [:]
        for (key, name, value) in entries {
            if keys.contains(name) {
                found[name] = value
            } else if later.contains(name) {
                error(key, "\"\(name)\" is not supported yet")
            } else if let hint = hints[name] {
                report(unknown, key, "\"\(name)\" has no effect; \(hint)")
            } else {
                let meant = suggestion(for: name, among: keys).map { ", did you mean \"\($0)\"?" } ?? ""
                let expected = meant.isEmpty ? ", expected one of \(keys.joined(separator: ", "))" : meant
                report(unknown, key, "unknown key \"\(name)\" in \(what)\(expected)")
            }
        }
        return found
    }

    /// A mapping's entries in the order of the file, whatever their keys.
    func pairs(_ node: Node, of what: String) -> [(key: Node, name: String, value: Node)]? {
        guard spend(node) else { return nil }
        guard case .mapping(let mapping) = node else {
            error(node, "\(what) wants a mapping (key: value), found \(describe(node))")
            return nil
        }
        var seen: Set<String> = []
        var entries: [(Node, String, Node)] = []
        for (key, value) in mapping {
            guard spend(key), let name = key.scalar?.string else {
                error(key, "a key of \(what) must be plain text")
                continue
            }
            if !seen.insert(name).inserted { error(key, "\"\(name)\" stands twice in \(what)") }
            entries.append((key, name, value))
        }
        return entries
    }

    func list(_ node: Node, of what: String) -> [Node] {
        guard spend(node) else { return [] }
        guard case .sequence(let sequence) = node else {
            error(node, "\(what) wants a list, found \(describe(node))")
            return []
        }
        return Array(sequence)
    }

    /// A scalar as it was written; `null` and an empty value count as missing.
    func text(_ node: Node, of what: String) -> String? {
        guard spend(node) else { return nil }
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
        guard case .scalar(let scalar) = node, scalar.style == .plain || scalar.style == .any else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }

    /// Whether it was written without quotes, so that YAML may take it for a number or a truth.
    func isPlain(_ node: Node) -> Bool { node.scalar.map { $0.style == .plain || $0.style == .any } ?? false }

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

    private func spend(_ node: Node) -> Bool {
        visited += 1
        if visited == Self.nodeLimit { error(node, "the file has more than \(Self.nodeLimit) values") }
        return visited < Self.nodeLimit
    }

    private func report(_ severity: Diagnostic.Severity, _ node: Node?, _ message: String) {
        guard diagnostics.count < 100 else { return }
        diagnostics.append(
            Diagnostic(severity, file: file, line: node?.mark?.line, column: node?.mark?.column, message))
    }

    private func stop(_ message: String, line: Int? = nil, column: Int? = nil) -> Diagnostics {
        Diagnostics(diagnostics + [Diagnostic(.error, file: file, line: line, column: column, message)])
    }

    private func stop(_ error: YamlError) -> Diagnostics {
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            let before = context.map { "\($0.text.trimmingPrefix(while: \.isWhitespace)) " } ?? ""
            return stop("\(before)\(problem)", line: mark.line, column: mark.column)
        case .duplicatedKeysInMapping(let duplicates, let context):
            let names = duplicates.map { "\"\($0)\"" }
            return stop(
                "the same key stands twice: \(names.joined(separator: ", "))", line: context.mark.line,
                column: context.mark.column)
        default:
            return stop("\(error)".split(separator: "\n").first.map(String.init) ?? "the file is not YAML")
        }
    }

    private func describe(_ node: Node) -> String {
        switch node {
        case .scalar(let scalar): scalar.string.isEmpty ? "nothing" : "\"\(scalar.string.prefix(40))\""
        case .mapping: "a mapping"
        case .sequence: "a list"
        case .alias: "an alias"
        }
    }
}

extension String {
    fileprivate var firstControlCharacter: (code: UInt32, line: Int, column: Int)? {
        var line = 1, column = 0
        for scalar in unicodeScalars {
            column += 1
            switch scalar.value {
            case 0x0A: (line, column) = (line + 1, 0)
            case 0x09, 0x0D, 0x85: continue
            case 0..<0x20, 0x7F..<0xA0, 0x202A...0x202E, 0x2066...0x2069: return (scalar.value, line, column)
            default: continue
            }
        }
        return nil
    }
}

extension String {
    fileprivate func trimmingPrefix(while predicate: (Character) -> Bool) -> Substring { drop(while: predicate) }
}
