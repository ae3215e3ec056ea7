/// A whole access control list, which setfacl(1) sets at once: what was asked for, the mode's own entries and a mask.
struct AccessList: Hashable, Sendable, CustomStringConvertible {
    private let entries: [AccessEntry]
    private let base: UInt16

    /// `base`: the permission bits of the file's user, its group and others.
    init(_ entries: [AccessEntry], base: UInt16) {
        self.entries = entries
        self.base = base
    }

    var description: String {
        var parts = [
            "user::\(Self.letters(base >> 6))", "group::\(Self.letters(base >> 3))", "other::\(Self.letters(base))",
        ]
        let access = entries.filter { !$0.isDefault }, defaults = entries.filter(\.isDefault)
        parts += access.map(\.description)
        // With names there must be a mask, which is the group's bits unless somebody says otherwise.
        if access.contains(where: { !$0.name.isEmpty }), !access.contains(where: { $0.kind == .mask }) {
            parts.append("mask::\(Self.letters(base >> 3))")
        }
        guard !defaults.isEmpty else { return parts.joined(separator: ",") }
        func isBase(_ kind: AccessEntry.Kind) -> Bool { defaults.contains { $0.kind == kind && $0.name.isEmpty } }
        if !isBase(.user) { parts.append("default:user::\(Self.letters(base >> 6))") }
        if !isBase(.group) { parts.append("default:group::\(Self.letters(base >> 3))") }
        if !isBase(.other) { parts.append("default:other::\(Self.letters(base))") }
        parts += defaults.map(\.description)
        if defaults.contains(where: { !$0.name.isEmpty }), !isBase(.mask) {
            parts.append("default:mask::\(Self.letters(base >> 3))")
        }
        return parts.joined(separator: ",")
    }

    private static func letters(_ bits: UInt16) -> String {
        (bits & 4 != 0 ? "r" : "-") + (bits & 2 != 0 ? "w" : "-") + (bits & 1 != 0 ? "x" : "-")
    }
}
