/// The `.gitattributes` files from the root down to the folder that a walk is in, and what they leave out.
struct ExportIgnore {
    /// A pattern may try this often before it is taken for an attack on our time.
    private static let effortLimit = 1_000_000

    private struct Level {
        let base: [UInt8]
        let lines: [AttributeFile.Line]
    }

    private var levels: [Level] = []
    private var macros: [[UInt8]: [(name: [UInt8], state: AttributeFile.State)]] = [:]
    private let operation: String
    /// No line so far could leave anything out.
    private(set) var isIdle = true

    init(operation: String) { self.operation = operation }

    /// Once for each folder that is entered; nil where it has no file of attributes.
    mutating func push(_ file: AttributeFile?, at base: [UInt8]) {
        if let file { macros.merge(file.macros) { _, new in new } }
        let lines = file?.lines.filter { line in
            line.states.contains { $0.name == AttributeFile.exportIgnore || macros[$0.name] != nil }
        }
        if lines?.isEmpty == false { isIdle = false }
        levels.append(Level(base: base, lines: lines ?? []))
    }

    mutating func pop() { levels.removeLast() }

    /// Deeper files win over those above them, and later lines over earlier ones.
    func contains(_ entry: TreeEntry) throws -> Bool {
        // git asks about a submodule as about a directory.
        let isDirectory = entry.kind == .directory || entry.kind == .submodule
        var known: [[UInt8]: AttributeFile.State] = [:]
        for level in levels.reversed() {
            for line in level.lines.reversed() {
                guard try matches(line.pattern, entry.path, isDirectory, level.base) else { continue }
                note(line.states, in: &known)
                if let state = known[AttributeFile.exportIgnore] { return state == .set }
            }
        }
        return false
    }

    private func matches(
        _ pattern: AttributePattern, _ path: [UInt8], _ isDirectory: Bool, _ base: [UInt8]
    ) throws -> Bool {
        var effort = Self.effortLimit
        do {
            return try pattern.matches(path, isDirectory: isDirectory, base: base, effort: &effort)
        } catch {
            let file = base.isEmpty ? [] : base + [UInt8(ascii: "/")]
            throw GitError(
                code: .invalid, operation: operation,
                reason: "a pattern in \(TreeCursor.shown(file + ".gitattributes".utf8)) takes too long to match")
        }
    }

    /// What is known already stays, and a macro that is set brings what it stands for.
    private func note(
        _ states: [(name: [UInt8], state: AttributeFile.State)], in known: inout [[UInt8]: AttributeFile.State]
    ) {
        for (name, state) in states.reversed() where known[name] == nil {
            known[name] = state
            if state == .set, let macro = macros[name] { note(macro, in: &known) }
        }
    }
}
