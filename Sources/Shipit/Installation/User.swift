import Glibc

/// An account of this machine.
public struct User: Hashable, Sendable {
    public let name: String
    public let uid: UInt32
    public let gid: UInt32
    public let home: String

    public static func named(by uid: UInt32) -> User? { find { getpwuid_r(uid, $0, $1, $2, $3) } }

    public static func named(_ name: String) -> User? { find { getpwnam_r(name, $0, $1, $2, $3) } }

    private static func find(
        _ look: (
            UnsafeMutablePointer<passwd>, UnsafeMutablePointer<CChar>, Int,
            UnsafeMutablePointer<UnsafeMutablePointer<passwd>?>
        ) -> Int32
    ) -> User? {
        var entry = passwd()
        var buffer = [CChar](repeating: 0, count: 16 << 10)
        var found: UnsafeMutablePointer<passwd>?
        guard look(&entry, &buffer, buffer.count, &found) == 0, found != nil, let name = entry.pw_name,
            let home = entry.pw_dir
        else { return nil }
        return User(
            name: String(cString: name), uid: entry.pw_uid, gid: entry.pw_gid, home: String(cString: home))
    }

    /// All groups of the account, its own among them.
    public var groups: [UInt32] {
        var count: Int32 = 64
        var groups = [gid_t](repeating: 0, count: Int(count))
        if getgrouplist(name, gid, &groups, &count) < 0 {
            groups = [gid_t](repeating: 0, count: Int(count))
            _ = getgrouplist(name, gid, &groups, &count)
        }
        return Array(groups.prefix(Int(max(count, 0))))
    }

    /// The person at the terminal: SUDO_UID's account when this one was reached through sudo.
    ///
    /// Believing it costs nothing: whoever is the account that keeps the ledger can write whatever it likes there.
    public static func person(_ variables: [String: String]) -> String {
        if let sudo = variables["SUDO_UID"].flatMap({ UInt32($0) }), let user = named(by: sudo) {
            return user.name
        }
        return named(by: getuid())?.name ?? "uid \(getuid())"
    }
}

/// A group of this machine.
struct Group: Hashable, Sendable {
    let name: String
    let gid: UInt32

    static func named(_ name: String) -> Group? {
        var entry = group()
        var buffer = [CChar](repeating: 0, count: 64 << 10)
        var found: UnsafeMutablePointer<group>?
        guard getgrnam_r(name, &entry, &buffer, buffer.count, &found) == 0, found != nil else { return nil }
        return Group(name: name, gid: entry.gr_gid)
    }
}
