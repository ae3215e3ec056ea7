/// Where an appspec's values stand in the file, so that what is found out later is said with line and column.
struct AppspecPlaces {
    private(set) var sources: [Node.Mark?] = []
    private(set) var objects: [Node.Mark?] = []
    private(set) var locations: [String: [Node.Mark?]] = [:]

    /// Of a file that was read without an error.
    init(_ bytes: [UInt8]) {
        var composer = YAMLComposer()
        // Whoever read it before has said what is wrong with it.
        guard let text = try? YAMLText.decode(bytes), let root = try? composer.compose(text) else { return }
        sources = Self.places("source", in: Self.value("files", of: root))
        objects = Self.places("object", in: Self.value("permissions", of: root))
        guard case .mapping(let hooks) = Self.value("hooks", of: root) else { return }
        for (key, value) in hooks.entries {
            locations[key.scalar?.string ?? ""] = Self.places("location", in: value)
        }
    }

    private static func value(_ key: String, of node: Node) -> Node? {
        guard case .mapping(let mapping) = node else { return nil }
        return mapping.entries.first { $0.key.scalar?.string == key }?.value
    }

    private static func places(_ key: String, in list: Node?) -> [Node.Mark?] {
        guard case .sequence(let sequence) = list else { return [] }
        return sequence.nodes.map { value(key, of: $0)?.mark }
    }
}

extension [Node.Mark?] {
    /// Nil also where there is none.
    func at(_ index: Int) -> Node.Mark? { indices.contains(index) ? self[index] : nil }
}
