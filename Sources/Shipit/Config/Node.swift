/// A value of a YAML file, as it was written and with its place: text, a list or a mapping.
enum Node: Sendable {
    struct Mark: Hashable, Sendable {
        /// Both counted from one, columns in Unicode scalars.
        let line: Int
        let column: Int
    }

    struct Scalar: Sendable {
        let string: String
        /// Written without quotes, so that YAML may take it for a number, a truth or nothing.
        let isPlain: Bool
        let mark: Mark
    }

    struct Sequence: Sendable {
        let nodes: [Node]
        let mark: Mark
    }

    struct Mapping: Sendable {
        /// In the order of the file; a key that is text stands once.
        let entries: [(key: Node, value: Node)]
        let mark: Mark

        var isEmpty: Bool { entries.isEmpty }
    }

    case scalar(Scalar)
    case sequence(Sequence)
    case mapping(Mapping)

    var mark: Mark? {
        switch self {
        case .scalar(let scalar): scalar.mark
        case .sequence(let sequence): sequence.mark
        case .mapping(let mapping): mapping.mark
        }
    }

    var scalar: Scalar? {
        if case .scalar(let scalar) = self { scalar } else { nil }
    }
}
