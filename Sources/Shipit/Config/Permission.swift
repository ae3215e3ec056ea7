/// What is changed of files and folders that a deployment brought (AWS reference 1.2, 1.4 and 1.5).
public struct Permission: Hashable, Sendable, Codable {
    public enum ObjectType: String, Hashable, Sendable, Codable, CaseIterable {
        case file, directory
    }

    /// Where it stands in the appspec, for messages.
    var line: Int?
    /// Relative to the root that is installed to.
    public var object: String
    /// `**` is everything below the object; else what is right below it, with `*` for any letters.
    public var pattern = "**"
    public var except: [String] = []
    public var types: Set<ObjectType> = [.file, .directory]
    public var owner: String?
    public var group: String?
    /// With set-uid, set-gid and the sticky bit.
    public var mode: UInt16?
    public var acls: [AccessEntry] = []
    public var context: SecurityContext?

    /// Whether it means something that lies below its object. `rest`: the path from there.
    func matches(below rest: String, _ type: ObjectType) -> Bool {
        guard types.contains(type) else { return false }
        let isChild = !rest.contains("/")
        guard pattern == "**" || isChild && Self.glob(pattern, matches: rest) else { return false }
        return !(isChild && except.contains { Self.glob($0, matches: rest) })
    }

    /// A star is any run of letters without a slash; everything else is itself. Takes time in proportion to both.
    static func glob(_ pattern: String, matches name: String) -> Bool {
        let pattern = Array(pattern.utf8), name = Array(name.utf8)
        let star = UInt8(ascii: "*"), slash = UInt8(ascii: "/")
        var place = 0, next = 0, afterStar: Int?, tried = 0
        while next < name.count {
            if place < pattern.count, pattern[place] == star {
                place += 1
                (afterStar, tried) = (place, next)
            } else if place < pattern.count, pattern[place] == name[next] {
                (place, next) = (place + 1, next + 1)
            } else if let star = afterStar, name[tried] != slash {
                tried += 1
                (place, next) = (star, tried)
            } else {
                return false
            }
        }
        return pattern[place...].allSatisfy { $0 == star }
    }
}

/// One entry of an access control list, as setfacl(1) has them.
public struct AccessEntry: Hashable, Sendable, Codable, CustomStringConvertible {
    public enum Kind: String, Hashable, Sendable, Codable {
        case user, group, mask, other
    }

    public var isDefault = false
    public var kind: Kind
    /// Empty: of the file's own user or group.
    public var name: String
    /// `rwx` and dashes, or a digit.
    public var permission: String

    public var description: String { "\(isDefault ? "default:" : "")\(kind.rawValue):\(name):\(permission)" }

    struct Fault: Error {
        let message: String
    }

    /// `[d:][u|g|m|o:]NAME:PERMISSION`, with two to four parts.
    init(_ text: String) throws(Fault) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard (2...4).contains(parts.count) else {
            throw Fault(message: "an entry has two to four parts between colons, such as user:ann:rw")
        }
        var rest = parts[...]
        if parts.count > 2, ["d", "default"].contains(parts[0]) {
            isDefault = true
            rest = rest.dropFirst()
        }
        guard rest.count <= 3 else { throw Fault(message: "of four parts the first is d or default") }
        let word = rest.first ?? ""
        if ["d", "default"].contains(word), isDefault { throw Fault(message: "default stands twice") }
        let named = Self.kinds[word]
        switch (rest.count, named) {
        case (3, let kind?):
            (self.kind, name) = (kind, parts[parts.count - 2])
        case (3, nil): throw Fault(message: "\"\(word)\" is none of user, group, mask and other")
        case (_, .mask?): (kind, name) = (.mask, "")
        case (_, .other?): (kind, name) = (.other, "")
        default: (kind, name) = (.user, word)
        }
        permission = parts[parts.count - 1]
        let isDigit = permission.count == 1 && permission.allSatisfy { "01234567".contains($0) }
        guard isDigit || !permission.isEmpty && permission.allSatisfy({ "rwx-".contains($0) }) else {
            throw Fault(message: "the permission \"\(permission)\" is neither of r, w, x and - nor a digit from 0 to 7")
        }
        guard !name.contains(where: { $0.isWhitespace || $0 == "," }) else {
            throw Fault(message: "\"\(name)\" is no name")
        }
        if kind == .mask || kind == .other, !name.isEmpty {
            throw Fault(message: "\(kind.rawValue) has no name")
        }
        if !isDefault, kind != .mask, name.isEmpty {
            throw Fault(message: "use mode to set what the file's own user, its group and others may do")
        }
    }

    private static let kinds: [String: Kind] = [
        "u": .user, "user": .user, "g": .group, "group": .group, "m": .mask, "mask": .mask, "o": .other,
        "other": .other,
    ]
}

/// What SELinux is told of a path, with semanage(8).
public struct SecurityContext: Hashable, Sendable, Codable {
    public var type: String
    public var user: String?
    public var range: SecurityRange?
}

/// `s0-s3:c0.c5,c7`: sensitivities, and the categories that go with them.
public struct SecurityRange: Hashable, Sendable, Codable, CustomStringConvertible {
    public let description: String

    struct Fault: Error {
        let message: String
    }

    init(_ text: String) throws(Fault) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count) else { throw Fault(message: "it has more than one colon") }
        let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false)
        guard (1...2).contains(ends.count) else { throw Fault(message: "a sensitivity is sN or sN-sM") }
        let levels = try ends.map { end throws(Fault) in try Self.number(end, "s", "sensitivity") }
        guard levels == levels.sorted() else { throw Fault(message: "the sensitivities are the wrong way round") }
        if parts.count == 2 { try Self.checkCategories(parts[1]) }
        description = text
    }

    private static func checkCategories(_ text: Substring) throws(Fault) {
        var seen: Set<Int> = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: ".", omittingEmptySubsequences: false)
            guard (1...2).contains(ends.count) else { throw Fault(message: "a category is cN or cN.cM") }
            let numbers = try ends.map { end throws(Fault) in try number(end, "c", "category") }
            guard numbers.allSatisfy({ $0 <= 1023 }) else { throw Fault(message: "a category is at most c1023") }
            let (first, last) = (numbers[0], numbers[numbers.count - 1])
            guard first <= last else { throw Fault(message: "the categories \(part) are the wrong way round") }
            for category in first...last where !seen.insert(category).inserted {
                throw Fault(message: "the category c\(category) stands twice")
            }
        }
    }

    private static func number(_ text: Substring, _ letter: Character, _ what: String) throws(Fault) -> Int {
        let digits = text.dropFirst()
        guard text.first == letter, !digits.isEmpty, digits.count <= 9,
            digits.allSatisfy({ $0.isASCII && $0.isNumber }),
            let number = Int(digits)
        else { throw Fault(message: "\"\(text)\" is no \(what), expected \(letter) and a number") }
        return number
    }
}
