/// The rules for one name in a tree: what would leave the release, or be taken for git's own folder, is refused.
enum EntryName {
    /// What is wrong with the name, or nil; completes "the name …".
    static func problem(with name: some Collection<UInt8>) -> String? {
        if name.isEmpty { return "is empty" }
        if name.count > 255 { return "has more than 255 bytes" }
        if name.contains(UInt8(ascii: "/")) { return "holds a slash" }
        if name.contains(0) { return "holds a NUL" }
        if name.first == UInt8(ascii: "."), name.count == 1 || name.elementsEqual("..".utf8) {
            return "means another folder"
        }
        return isGitFolder(name) ? "is one of the spellings of .git" : nil
    }

    /// `.git` and `git~1` in any case, with what HFS+ ignores anywhere and what NTFS ignores at the end.
    private static func isGitFolder(_ name: some Collection<UInt8>) -> Bool {
        // Every spelling begins with a dot, a g, or the first byte of an ignorable character.
        guard let first = name.first, [0x2e, 0x67, 0x47, 0xe2, 0xef].contains(first) else { return false }
        let plain = withoutIgnorable(Array(name)).map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 }
        for spelling in [Array(".git".utf8), Array("git~1".utf8)] where plain.starts(with: spelling) {
            let rest = plain.dropFirst(spelling.count).drop { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: " ") }
            guard let end = rest.first else { return true }
            if end == UInt8(ascii: ":") || end == UInt8(ascii: "\\") { return true }
        }
        return false
    }

    /// Removes the characters that HFS+ skips when it compares names: all take three bytes in UTF-8.
    private static func withoutIgnorable(_ name: [UInt8]) -> [UInt8] {
        var kept: [UInt8] = []
        var index = 0
        while index < name.count {
            if index + 2 < name.count, isIgnorable(name[index], name[index + 1], name[index + 2]) {
                index += 3
            } else {
                kept.append(name[index])
                index += 1
            }
        }
        return kept
    }

    private static func isIgnorable(_ first: UInt8, _ second: UInt8, _ third: UInt8) -> Bool {
        switch (first, second) {
        case (0xe2, 0x80): (0x8c...0x8f).contains(third) || (0xaa...0xae).contains(third)
        case (0xe2, 0x81): (0xaa...0xaf).contains(third)
        case (0xef, 0xbb): third == 0xbf
        default: false
        }
    }
}
