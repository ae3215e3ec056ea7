import ArtifactKit
import CLinux
import GitKit
import Glibc

/// What builds of one app keep for the next: folders named by the hash of their key, each whole or not there.
///
/// A build reaches none of it: shipit moves or copies things into its workspace and out again. An entry is lent by
/// rename once a build was seen to leave it as it was; one that builds change is copied, so that a build that fails
/// loses nothing. What a failed build changed never comes back here.
struct BuildCache: Sendable {
    struct Limits: Hashable, Sendable {
        var entries = 10
        var bytes: Int64 = 5 << 30
        /// Files and folders that the paths of one buildspec may name.
        var items = 10_000
        /// Files and folders in all of them.
        var contents = 1_000_000
        var days = 30
    }

    /// What a build asks for: its key is text by now.
    struct Request: Sendable {
        let cache: Buildspec.Cache
        let key: String?
        let fallbackKeys: [String]
    }

    struct Entry: Sendable {
        let record: CacheRecord
        /// When a build had it last, in nanoseconds since 1970.
        let used: Int64
    }

    let folder: String
    let isEnclosed: Bool
    let user: User?
    /// Tells the folders of one build from those of another.
    let mark: String
    /// Entries may be lent by rename; not into a workspace that stays.
    let lends: Bool
    var limits = Limits()
    let say: @Sendable (String) -> Void

    var owner: (user: UInt32, group: UInt32)? { user.map { ($0.uid, $0.gid) } }
    var uid: UInt32 { user?.uid ?? geteuid() }

    // MARK: Finding

    func entries() -> [Entry] {
        guard let root = try? Directory(path: folder) else { return [] }  // none was kept yet
        return FileSystem.names(in: folder).compactMap { name in
            guard Digest(hex: name) != nil, let record = CacheRecord.read(in: "\(folder)/\(name)"), record.name == name
            else { return nil }
            // One that goes away while we look is none.
            let status = try? root.metadata(Array("\(name)/\(CacheRecord.file)".utf8))
            return status.map { Entry(record: record, used: $0.modified) }
        }
    }

    /// The entry under the key, else the newest under the first fallback that any key begins with.
    func find(_ request: Request) -> (entry: Entry, fallback: String?)? {
        let usable = entries().filter { $0.record.isEnclosed == isEnclosed && isWhole($0.record) }
        if let exact = usable.first(where: { $0.record.key == request.key }) { return (exact, nil) }
        guard request.key != nil else { return nil }
        for fallback in request.fallbackKeys {
            let matches = usable.filter { $0.record.key?.hasPrefix(fallback) ?? false }
            if let newest = matches.max(by: { $0.record.at < $1.record.at }) { return (newest, fallback) }
        }
        return nil
    }

    /// Files that were not waited for may be empty after the machine went down, so such an entry counts for nothing then.
    func isWhole(_ record: CacheRecord) -> Bool {
        record.boot == Boot.id || FileSystem.exists("\(folder)/\(record.name)/\(Self.settled)")
    }

    func touch(_ name: String) { linux_touch("\(folder)/\(name)/\(CacheRecord.file)") }

    /// A wall clock that was set back while a build ran would hide what the build changed.
    static var lead: Int64 { linux_nanoseconds(CLOCK_REALTIME) - linux_nanoseconds(CLOCK_BOOTTIME) }

    // MARK: Words

    static func list(_ items: [CacheRecord.Item]) -> String {
        guard let first = items.first else { return "nothing" }
        return visible(Array(first.path.utf8)) + (items.count > 1 ? " and \(items.count - 1) more" : "")
    }

    static func name(_ key: String?, _ fallback: String? = nil) -> String {
        guard let key else { return "(there is one cache, without a key)" }
        return fallback.map { "of \"\(key)\" (by the fallback \"\($0)\")" } ?? "of \"\(key)\" (exact)"
    }
}

extension CopySummary {
    var how: String { shared > 0 && shared == files ? "by sharing its blocks" : "by copying" }
}

extension Workspace {
    func folder(_ place: CachePath.Place) -> String { place == .source ? source : home }
}
