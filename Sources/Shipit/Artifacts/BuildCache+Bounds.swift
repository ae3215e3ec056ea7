import ArtifactKit
import CLinux
import Glibc

/// What keeps a cache small and whole.
extension BuildCache {
    static let settled = "settled"

    /// A cache that is looked after, not built with.
    init(_ home: Home, _ app: String) {
        self.init(folder: home.caches(app), isEnclosed: true, user: nil, mark: "none", lends: false, say: { _ in })
    }

    /// Entries that go: the least recently used beyond the limits, and what has not been used for long.
    func surplus() -> [Entry] {
        var (count, bytes) = (0, Int64(0))
        let oldest = linux_nanoseconds(CLOCK_REALTIME) - Int64(limits.days) * 86_400 * 1_000_000_000
        return entries().sorted { $0.used > $1.used }.filter { entry in
            count += 1
            bytes += entry.record.bytes
            return count > limits.entries || bytes > limits.bytes || entry.used < oldest
        }
    }

    /// First out of sight, so that it is never there in part.
    func remove(_ name: String) {
        let trash = "trash-\(name)"
        drop(trash)
        guard rename("\(folder)/\(name)", "\(folder)/\(trash)") == 0 else { return }
        drop(trash)
    }

    /// Names that `gc` takes away: what crashes left, entries that are not whole, and what is surplus.
    func removable() -> [String] {
        let surplus = Set(surplus().map(\.record.name))
        let whole = Set(entries().map(\.record).filter(isWhole).map(\.name)).subtracting(surplus)
        return FileSystem.names(in: folder).filter { !whole.contains($0) && !KeptWorkspace.isRecord($0) }
    }

    /// Waits until entries are on the disk, so that they outlive a power cut. After the deployment, since this waits for
    /// everybody's files.
    func settle() throws {
        let unsettled = entries().map(\.record).filter { record in
            record.boot == Boot.id && !FileSystem.exists("\(folder)/\(record.name)/\(Self.settled)")
        }
        guard !unsettled.isEmpty else { return }
        let held = try unsettled.map { try Directory(path: "\(folder)/\($0.name)") }
        try Directory(path: folder).syncFileSystem()
        // Into the very folders that were looked at: the name may be another's by now.
        for directory in held { try directory.writeAtomically(Array(Self.settled.utf8), [], mode: 0o600, sync: false) }
    }

    /// Removes what builds that died left in the middle; the caller is the only one who works in this home.
    static func sweep(_ home: Home) {
        for app in FileSystem.names(in: home.caches) {
            for name in FileSystem.names(in: home.caches(app)) where Digest(hex: name) == nil {
                if KeptWorkspace.isRecord(name) { continue }
                Workspaces.remove("\(home.caches(app))/\(name)")
            }
        }
    }
}
