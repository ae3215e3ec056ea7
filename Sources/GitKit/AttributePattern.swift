/// The pattern of one line of a `.gitattributes` file; matches as git's `path_matches` does.
struct AttributePattern {
    private let text: [UInt8]
    /// Ended in a slash: matches directories, as `git archive` asks about them with a slash at the end.
    private let onlyDirectories: Bool
    /// Holds no slash: matches the last name of a path at any depth.
    private let matchesLastName: Bool
    /// How much of the text has no wildcard in it.
    private let plainCount: Int

    /// Nil for patterns that begin with `!`, which git ignores in attributes.
    init?(_ bytes: [UInt8]) {
        guard bytes.first != UInt8(ascii: "!") else { return nil }
        var text = bytes
        onlyDirectories = text.last == UInt8(ascii: "/")
        if onlyDirectories { text.removeLast() }
        matchesLastName = !text.contains(UInt8(ascii: "/"))
        if text.first == UInt8(ascii: "/") { text.removeFirst() }
        plainCount = text.prefix { !Wildmatch.isSpecial($0) }.count
        self.text = text
    }

    /// Whether the pattern, in a file of the folder `base`, matches the path.
    func matches(
        _ path: [UInt8], isDirectory: Bool, base: [UInt8], effort: inout Int
    ) throws(Wildmatch.TooMuchEffort) -> Bool {
        guard isDirectory || !onlyDirectories else { return false }
        if matchesLastName {
            let start = path.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
            return try matches(path[start...], slashesCount: false, effort: &effort)
        }
        let below = base.isEmpty ? path[...] : path.dropFirst(base.count + 1)
        return try matches(below, slashesCount: true, effort: &effort)
    }

    private func matches(
        _ name: ArraySlice<UInt8>, slashesCount: Bool, effort: inout Int
    ) throws(Wildmatch.TooMuchEffort) -> Bool {
        guard name.starts(with: text.prefix(plainCount)) else { return false }
        if plainCount == text.count { return name.count == text.count }
        // git takes the plain part off before it matches paths, and not before it matches names.
        let skipped = slashesCount ? plainCount : 0
        return try Wildmatch.matches(
            text[skipped...], name.dropFirst(skipped), slashesCount: slashesCount, effort: &effort)
    }
}
