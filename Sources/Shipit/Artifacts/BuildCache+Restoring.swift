import ArtifactKit
import Glibc

extension BuildCache {
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
}
