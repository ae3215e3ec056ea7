// Yams' own copy of libyaml, the parser that Ruby has too: what the agent can read is what this can read.
import CYaml

/// Builds the tree of a file's first document from libyaml's events, within budgets that aliases count against too.
///
/// A composer that calls itself for each level ends in a stack overflow; this one has a stack of its own and stops at a
/// depth to which the tree can also be walked and let go.
struct YAMLComposer {
    static let nodeLimit = 10_000
    static let levelLimit = 100
    static let tooDeep = "the values are nested more than \(levelLimit) levels deep"
    /// In bytes, of all text with what aliases repeat.
    static let textLimit = 4 << 20

    /// Why there is no way to read on.
    struct Fault: Error {
        let message: String
        var mark: Node.Mark?
    }

    /// What YAML allows and somebody may mind.
    enum Finding {
        case repeated(key: String, first: Node.Mark)
        case alias(String)
        case tag(String)
        case anotherDocument
    }

    private struct Weight {
        var nodes = 0
        var text = 0
    }

    /// A list or mapping that has begun.
    private struct Level {
        let isMapping: Bool
        let mark: Node.Mark
        let anchor: String?
        /// What had been spent when it began.
        let before: Weight
        /// Of a mapping keys and values in turn.
        var nodes: [Node] = []
    }

    private(set) var findings: [(finding: Finding, mark: Node.Mark)] = []
    private var levels: [Level] = []
    private var root: Node?
    private var anchors: [String: (node: Node, weight: Weight)] = [:]
    private var spent = Weight()

    /// The root, or nil when there is no document. Expects UTF-8 without a byte order mark.
    mutating func compose(_ text: String) throws(Fault) -> Node? {
        let source = Array(text.utf8)
        let events = EventStream(source)
        while let event = try events.next() {
            defer { events.drop() }
            let mark = event.mark
            switch event.value.type {
            case YAML_ALIAS_EVENT: try addAlias(string(event.value.data.alias.anchor) ?? "", mark)
            case YAML_SCALAR_EVENT: try addScalar(event, mark)
            case YAML_SEQUENCE_START_EVENT:
                let start = event.value.data.sequence_start
                try begin(isMapping: false, start.anchor, start.tag, mark)
            case YAML_MAPPING_START_EVENT:
                let start = event.value.data.mapping_start
                try begin(isMapping: true, start.anchor, start.tag, mark)
            case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: end()
            case YAML_DOCUMENT_END_EVENT:
                lookForAnother(events)
                return root
            default: continue
            }
        }
        return root
    }

    // MARK: Values

    private mutating func addScalar(_ event: EventStream.Event, _ mark: Node.Mark) throws(Fault) {
        let scalar = event.value.data.scalar
        let text = String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
        let tag = note(tag: scalar.tag, mark)
        // A tag of text is as good as quotes.
        let isPlain = scalar.style == YAML_PLAIN_SCALAR_STYLE && tag != "!" && tag != Self.coreTags + "str"
        let weight = Weight(nodes: 1, text: scalar.length)
        try spend(weight, mark)
        add(.scalar(Node.Scalar(string: text, isPlain: isPlain, mark: mark)), string(scalar.anchor), weight)
    }

    private mutating func addAlias(_ name: String, _ mark: Node.Mark) throws(Fault) {
        guard let (node, weight) = anchors[name] else {
            throw Fault(message: "the alias *\(name) names nothing that is complete before it", mark: mark)
        }
        try spend(weight, mark)
        find(.alias(name), mark)
        add(node, nil, weight)
    }

    private mutating func begin(
        isMapping: Bool, _ anchor: UnsafeMutablePointer<yaml_char_t>?, _ tag: UnsafeMutablePointer<yaml_char_t>?,
        _ mark: Node.Mark
    ) throws(Fault) {
        guard levels.count < Self.levelLimit else {
            throw Fault(message: Self.tooDeep, mark: mark)
        }
        _ = note(tag: tag, mark)
        levels.append(Level(isMapping: isMapping, mark: mark, anchor: string(anchor), before: spent))
        try spend(Weight(nodes: 1), mark)
    }

    private mutating func end() {
        guard let level = levels.popLast() else { return }
        let weight = Weight(nodes: spent.nodes - level.before.nodes, text: spent.text - level.before.text)
        let node: Node =
            level.isMapping
            ? .mapping(mapping(level)) : .sequence(Node.Sequence(nodes: level.nodes, mark: level.mark))
        add(node, level.anchor, weight)
    }

    private mutating func add(_ node: Node, _ anchor: String?, _ weight: Weight) {
        if let anchor { anchors[anchor] = (node, weight) }
        if levels.isEmpty { root = node } else { levels[levels.count - 1].nodes.append(node) }
    }

    private mutating func spend(_ weight: Weight, _ mark: Node.Mark) throws(Fault) {
        spent.nodes += weight.nodes
        spent.text += weight.text
        guard spent.nodes <= Self.nodeLimit else {
            throw Fault(message: "the file has more than \(Self.nodeLimit) values", mark: mark)
        }
        guard spent.text <= Self.textLimit else {
            throw Fault(
                message: "the file's text, with what aliases repeat, is larger than \(Self.textLimit) bytes", mark: mark
            )
        }
    }

    // MARK: Mappings

    /// The last of two equal keys counts, as for the agent. What is merged in with `<<` gives way to the mapping's own keys.
    private mutating func mapping(_ level: Level) -> Node.Mapping {
        var entries: [(key: Node, value: Node)] = []
        var places: [String: Int] = [:]
        var merged: [Node.Mapping] = []
        for index in stride(from: 0, to: level.nodes.count - 1, by: 2) {
            let (key, value) = (level.nodes[index], level.nodes[index + 1])
            guard let scalar = key.scalar else {
                entries.append((key, value))
                continue
            }
            if scalar.isPlain, scalar.string == "<<", let mappings = Self.mappings(in: value) {
                merged += mappings
            } else if let place = places[scalar.string] {
                find(.repeated(key: scalar.string, first: entries[place].key.mark ?? scalar.mark), scalar.mark)
                entries[place] = (key, value)
            } else {
                places[scalar.string] = entries.count
                entries.append((key, value))
            }
        }
        for entry in merged.flatMap(\.entries) {
            guard let name = entry.key.scalar?.string, places[name] == nil else { continue }
            places[name] = entries.count
            entries.append(entry)
        }
        return Node.Mapping(entries: entries, mark: level.mark)
    }

    /// What may stand behind `<<`; anything else is a value of a key with that name.
    private static func mappings(in node: Node) -> [Node.Mapping]? {
        switch node {
        case .mapping(let mapping): return [mapping]
        case .sequence(let sequence):
            let mappings = sequence.nodes.compactMap { if case .mapping(let mapping) = $0 { mapping } else { nil } }
            return mappings.count == sequence.nodes.count ? mappings : nil
        case .scalar: return nil
        }
    }

    // MARK: Findings

    private mutating func find(_ finding: Finding, _ mark: Node.Mark) {
        if findings.count < 100 { findings.append((finding, mark)) }
    }

    private static let coreTags = "tag:yaml.org,2002:"

    /// Types are nothing to us, who read text; what is no type of YAML's own is another program's.
    private mutating func note(tag pointer: UnsafeMutablePointer<yaml_char_t>?, _ mark: Node.Mark) -> String? {
        guard let tag = string(pointer) else { return nil }
        let types = ["str", "int", "float", "bool", "null", "seq", "map"]
        if tag != "!", !types.contains(where: { tag == Self.coreTags + $0 }) {
            find(.tag(tag.hasPrefix(Self.coreTags) ? "!!" + tag.dropFirst(Self.coreTags.count) : tag), mark)
        }
        return tag
    }

    /// Whatever stands behind the first document is not read, and may be broken.
    private mutating func lookForAnother(_ events: EventStream) {
        events.drop()
        do {
            guard let event = try events.next(), event.value.type != YAML_STREAM_END_EVENT else { return }
            find(.anotherDocument, event.mark)
        } catch {
            find(.anotherDocument, error.mark ?? Node.Mark(line: 1, column: 1))
        }
    }

    private func string(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        pointer.map { String(decodingCString: $0, as: UTF8.self) }
    }
}
