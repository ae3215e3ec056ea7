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

    // MARK: Restoring

    /// Puts what is kept into a workspace in which nothing runs yet. After an error the workspace is to be made anew.
    func restore(_ request: Request, into workspace: Workspace, _ check: () throws -> Void) throws -> CacheLoan? {
        guard request.cache.action != .save else { return nil }
        guard let (entry, fallback) = find(request) else {
            say("cache: nothing is kept\(request.key.map { " for \"\($0)\"" } ?? "")")
            return nil
        }
        let began = ContinuousClock.now
        let record = entry.record
        let isLent =
            lends && fallback == nil && record.isStable && record.user == uid && request.cache.action == nil
        let root = try Directory(path: folder)
        let holder = isLent ? "lent-\(mark)" : record.name
        if isLent { try root.rename(Array(record.name.utf8), to: Array(holder.utf8)) }
        try Failpoint.cacheTaken.reach()
        let kept = try root.open(Array(holder.utf8))
        var (moved, items, summary): (Set<String>, [CacheRecord.Item], CopySummary) = ([], [], CopySummary())
        for item in record.items where request.cache.paths.contains(where: { $0.written == item.written }) {
            let target = try Directory(path: workspace.folder(item.place))
            let (name, path) = (Array(item.name.utf8), Array(item.path.utf8))
            guard try prepareParents(of: path, in: target) else {
                say("cache: \(visible(path)) is left out: the revision has no folder where it would be")
                continue
            }
            items.append(item)
            if isLent, try hasMoved(name, in: kept, to: path, in: target) {
                moved.insert(item.name)
            } else {
                let copied = try kept.copyTree(name, to: path, in: target, of: record.user, owner: owner, check)
                summary.files += copied.files
                summary.shared += copied.shared
            }
        }
        touch(holder)
        let how = moved.count == items.count ? "by rename" : summary.how
        say(
            "cache: restored \(Self.list(items)) \(Self.name(record.key, fallback)) \(how), "
                + "\(record.bytes.spokenSize) in \(record.entries) entries, after \((ContinuousClock.now - began).spoken)"
        )
        return CacheLoan(
            record: record, isExact: fallback == nil, lent: isLent ? holder : nil, moved: moved, items: items,
            since: try Directory(path: workspace.path).clockTick(), lead: Self.lead)
    }

    /// False when there is something already, or when it lies on another file system: then it is to be copied.
    private func hasMoved(
        _ name: [UInt8], in kept: Directory, to path: [UInt8], in target: Directory
    ) throws -> Bool {
        do {
            try kept.move(name, to: path, in: target)
            return true
        } catch let error as ArtifactError where Self.wantsCopy.contains(error.code) {
            return false
        }
    }

    /// EACCES: a folder that its owner may not write cannot be moved by its owner.
    static let wantsCopy: Set<ArtifactError.Code> = [.exists, .system(EXDEV), .denied, .system(EPERM)]

    /// Makes the folders above a path; false when something else is in their place, a link of the revision maybe.
    private func prepareParents(of path: [UInt8], in target: Directory) throws -> Bool {
        let slash = UInt8(ascii: "/")
        for end in path.indices where path[end] == slash {
            let parent = Array(path[..<end])
            switch try target.metadata(parent)?.kind {
            case .directory: continue
            case nil:
                try target.makeDirectory(parent)
                if let user { try target.give(parent, to: user) }
            default: return false
            }
        }
        return true
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
