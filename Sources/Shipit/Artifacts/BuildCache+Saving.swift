import ArtifactKit
import CLinux
import Glibc

extension BuildCache {
    /// Keeps what a successful build left at its cache paths. Nothing of it runs any more, and its artifact is packed.
    ///
    /// `moving`: the workspace goes away, so that a rename is enough. Trouble is said and fails nothing.
    func save(_ request: Request, from workspace: Workspace, _ loan: CacheLoan?, run: Int64, moving: Bool) {
        let began = ContinuousClock.now
        do {
            let items = try items(of: request.cache.paths, in: workspace)
            if let loan, loan.isExact, isUnchanged(loan, items, in: workspace) {
                try giveBack(loan, from: workspace, isStable: true)
                return say("cache: \(Self.list(loan.items)) is as it was, and stays")
            }
            defer { drop(loan?.lent) }
            guard request.cache.action != .restore else { return }
            let exact = CacheRecord.name(request.key, isEnclosed: isEnclosed)
            if !moving, FileSystem.exists("\(folder)/\(exact)") { return touch(exact) }
            guard !items.isEmpty else { return say("cache: nothing to save, none of its paths is there") }
            try Failpoint.cacheBeforeSave.reach()
            let (record, how) = try gather(items, request, workspace, run: run, moving: moving)
            try publish(record)
            say(
                "cache: saved \(Self.list(items)) for \(request.key.map { "\"\($0)\"" } ?? "the next build") \(how), "
                    + "\(record.bytes.spokenSize) in \(record.entries) entries, "
                    + "after \((ContinuousClock.now - began).spoken)")
            for entry in surplus() { remove(entry.record.name) }
        } catch {
            say("cache: not saved: \(error)")
            drop(asideName)
            drop(loan?.lent)
        }
    }

    /// After a build that did not succeed: what it left untouched goes back, what it changed is nobody's any more.
    func putBack(_ loan: CacheLoan, from workspace: Workspace) {
        guard let lent = loan.lent else { return }
        do {
            guard isUnchanged(loan, nil, in: workspace) else {
                drop(lent)
                return say(
                    "cache: \(Self.list(loan.items)) was changed by a build that did not succeed: it is not kept")
            }
            try giveBack(loan, from: workspace, isStable: true)
        } catch {
            say("cache: \(Self.list(loan.items)) is lost: \(error)")
            drop(lent)
        }
    }

    // MARK: Parts

    /// Nothing of what was restored was changed, and `items`, if given, are the same.
    private func isUnchanged(_ loan: CacheLoan, _ items: [CacheRecord.Item]?, in workspace: Workspace) -> Bool {
        guard Self.lead > loan.lead - 10_000_000 else { return false }
        if let items,
            Set(items.map { [$0.place.rawValue, $0.path] }) != Set(loan.items.map { [$0.place.rawValue, $0.path] })
        {
            return false
        }
        return loan.items.allSatisfy { item in
            // What cannot be looked at is not as it was.
            guard let folder = try? Directory(path: workspace.folder(item.place)),
                let survey = try? folder.survey(Array(item.path.utf8), limit: limits.contents)
            else { return false }
            return survey.changed < loan.since
        }
    }

    private func giveBack(_ loan: CacheLoan, from workspace: Workspace, isStable: Bool) throws {
        var record = loan.record
        record.isStable = isStable
        guard let lent = loan.lent else {
            if record != loan.record { try record.write(in: "\(folder)/\(record.name)") }
            return touch(record.name)
        }
        let kept = try Directory(path: "\(folder)/\(lent)")
        for item in loan.items where loan.moved.contains(item.name) {
            let source = try Directory(path: workspace.folder(item.place))
            try source.move(Array(item.path.utf8), to: Array(item.name.utf8), in: kept)
        }
        touch(lent)
        let root = try Directory(path: folder)
        try root.move(Array(lent.utf8), to: Array(record.name.utf8), in: root)
    }

    private var asideName: String { "aside-\(mark)" }

    /// Brings the items together aside, with their record.
    private func gather(
        _ items: [CacheRecord.Item], _ request: Request, _ workspace: Workspace, run: Int64, moving: Bool
    ) throws -> (CacheRecord, how: String) {
        var total = Survey()
        for item in items {
            let source = try Directory(path: workspace.folder(item.place))
            let survey = try source.survey(Array(item.path.utf8), limit: limits.contents - total.entries)
            total.bytes += survey.bytes
            total.entries += survey.entries
            guard total.bytes <= limits.bytes else {
                throw ShipitError(.failure, "it is larger than the \(limits.bytes.spokenSize) that an app may keep")
            }
        }
        drop(asideName)
        let aside = try Directory(creating: "\(folder)/\(asideName)", mode: 0o700)
        var (moved, summary) = (0, CopySummary())
        for item in items {
            let source = try Directory(path: workspace.folder(item.place))
            let (name, path) = (Array(item.name.utf8), Array(item.path.utf8))
            do {
                guard moving else { throw ArtifactError(.system(EXDEV), what: "move", path: "", reason: "") }
                try source.move(path, to: name, in: aside)
                moved += 1
            } catch let error as ArtifactError where Self.wantsCopy.contains(error.code) {
                let copied = try source.copyTree(path, to: name, in: aside, of: uid, owner: owner)
                summary.files += copied.files
                summary.shared += copied.shared
            }
        }
        let record = CacheRecord(
            key: request.key, isEnclosed: isEnclosed, user: uid, run: run, at: Timestamp.now, bytes: total.bytes,
            entries: total.entries, boot: Boot.id, isStable: false, items: items)
        try record.write(in: "\(folder)/\(asideName)")
        return (record, moved == items.count ? "by rename" : summary.how)
    }

    /// Gives what was gathered its name in one step; what had it before goes.
    private func publish(_ record: CacheRecord) throws {
        let (aside, name) = ("\(folder)/\(asideName)", "\(folder)/\(record.name)")
        if linux_renameat2(AT_FDCWD, aside, AT_FDCWD, name, 1 /* RENAME_NOREPLACE */) == 0 { return }
        guard errno == EEXIST, linux_renameat2(AT_FDCWD, aside, AT_FDCWD, name, 2 /* RENAME_EXCHANGE */) == 0 else {
            throw ShipitError(.failure, "could not rename \(aside): \(systemReason(errno))")
        }
        drop(asideName)
    }

    func drop(_ name: String?) {
        if let name { Workspaces.remove("\(folder)/\(name)") }
    }
}
