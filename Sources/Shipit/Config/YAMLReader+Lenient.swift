/// What AWS's parsers let pass, and say nothing about.
extension YAMLReader {
    /// The value under a key, unless it is null: that is as good as none.
    func value(_ keys: [String: Node], _ name: String) -> Node? { keys[name].flatMap { isNull($0) ? nil : $0 } }

    /// A list of texts, in which a number is its text; a single one counts as a list of one.
    func lenientTexts(_ node: Node, of what: String) -> [String] {
        if isNull(node) {
            warn(node, "\(what) has no value: nothing is done")
            return []
        }
        if case .scalar(let scalar) = node {
            warn(node, "\(what) is a single text, taken for a list of one")
            return scalar.string.isEmpty ? [] : [scalar.string]
        }
        return list(node, of: what).compactMap { entry in
            switch entry {
            case .scalar(let scalar):
                if isNull(entry) || scalar.string.isEmpty {
                    warn(entry, "an entry of \(what) is empty: left out")
                    return nil
                }
                return scalar.string
            case .mapping:
                error(
                    entry,
                    "an entry of \(what) wants text, found a mapping; put quotes around a text with a colon and a space"
                )
                return nil
            default:
                error(entry, "an entry of \(what) wants text, found a list")
                return nil
            }
        }
    }

    /// Like `flag`, but what it does not understand is a warning and counts as no.
    func lenientFlag(_ node: Node, of what: String) -> Bool {
        guard case .scalar(let scalar) = node else {
            error(node, "\(what) wants yes or no")
            return false
        }
        switch scalar.string.lowercased() {
        case "yes", "true", "on", "y", "1": return true
        case "no", "false", "off", "n", "0", "": return false
        default:
            warn(node, "\(what) wants yes or no, found \"\(scalar.string.prefix(40))\": taken for no")
            return false
        }
    }
}
