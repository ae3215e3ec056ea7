import Glibc

/// People as policies name them: accounts of this machine, `@group` for all of a group, `*` for everybody.
public struct People: Hashable, Sendable {
    public let names: [String]

    public init(_ names: [String]) { self.names = names }

    public func contain(_ person: String) -> Bool {
        names.contains { name in
            if name == "*" || name == person { return true }
            guard name.hasPrefix("@"), let group = Group.named(String(name.dropFirst())),
                let user = User.named(person)
            else { return false }
            return user.groups.contains(group.gid)
        }
    }
}

/// Who did something, as the ledger writes it: `ann`, or `ann (sudo)` where it is known from something else.
public enum PersonName {
    public static func plain(_ by: String) -> String {
        by.split(separator: " ", maxSplits: 1).first.map(String.init) ?? by
    }
}
