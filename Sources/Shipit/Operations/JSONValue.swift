/// JSON that somebody else's program printed, as it is.
enum JSONValue: Hashable, Sendable, Decodable {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {  // or something else, which is tried next
            self = .bool(value)
        } else if let value = try? container.decode(Double.self) {  // as above
            self = .number(value)
        } else if let value = try? container.decode(String.self) {  // as above
            self = .string(value)
        } else if let value = try? container.decode([JSONValue].self) {  // as above
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    subscript(key: String) -> JSONValue {
        if case .object(let values) = self { return values[key] ?? .null }
        return .null
    }

    var object: [String: JSONValue] {
        if case .object(let values) = self { return values }
        return [:]
    }

    var list: [JSONValue] {
        if case .array(let values) = self { return values }
        return []
    }

    var text: String? {
        switch self {
        case .string(let text): text
        case .number(let number): Int64(exactly: number).map { "\($0)" } ?? "\(number)"
        case .bool(let flag): flag ? "true" : "false"
        default: nil
        }
    }

    var flag: Bool { self == .bool(true) }

    /// Whether it says nothing.
    var isEmpty: Bool {
        switch self {
        case .null, .bool(false), .string(""), .array([]), .object([:]): true
        default: false
        }
    }

    /// In one line, for people.
    var summary: String {
        switch self {
        case .array(let values): values.map(\.summary).joined(separator: ", ")
        case .object(let values):
            values.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value.summary)" }.joined(separator: ", ")
        default: text ?? "nothing"
        }
    }
}
