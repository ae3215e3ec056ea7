import ArtifactKit
import Glibc

/// Processes that hold on to a folder, as far as this process may see.
struct Occupants {
    /// What an overlay that was mounted of it may have among its options.
    private let paths: [String]
    private let place: Mount.Place
    /// What the folder is called by those who see what we see.
    private let names: Set<String>

    /// `folder` is a real path, as is `former`, where it was when others came to it. Nil when /proc does not tell.
    init?(of folder: String, formerly former: String? = nil) {
        guard let mounts = Mount.all(in: "self"), let place = Mount.place(of: folder, in: mounts) else { return nil }
        paths = [folder] + (former.map { [$0] } ?? [])
        self.place = place
        names = Set(mounts.compactMap { $0.name(of: place) }).union([folder])
    }

    /// The first that has something below `folder` as its working folder, root, program, open file, mapping or mount,
    /// in words for people; nil if none has. A process that cannot be looked into may have.
    static func first(below folder: String, formerly former: String) -> String? {
        guard let occupants = Occupants(of: folder, formerly: former) else {
            return "perhaps somebody, since /proc does not tell"
        }
        for name in FileSystem.names(in: "/proc") {
            guard let pid = Int32(name), pid != getpid() else { continue }
            if let what = occupants.occupation(by: pid) { return "process \(pid) \(what)" }
        }
        return nil
    }

    private static let hidden = "cannot be looked into"

    /// How a process holds on to the folder; nil if it does not.
    func occupation(by pid: Int32) -> String? {
        switch Self.lead("/proc/\(pid)/cwd") {
        case .hidden: return Self.hidden
        // One that has ended has none, and holds nothing.
        case .nowhere: return nil
        case .to: break
        }
        guard let maps = Self.text("/proc/\(pid)/maps"), let mounts = Mount.all(in: "\(pid)") else {
            return Self.hidden
        }
        if mounts.contains(where: { mount in mount.isPart(of: place) || paths.contains { mount.options.contains($0) } })
        {
            return "has something of it mounted"
        }
        // In a container it has other names.
        let names = names.union(mounts.compactMap { $0.name(of: place) })
        for (link, what) in [("cwd", "works there"), ("root", "has it for its root"), ("exe", "runs from it")] {
            switch Self.lead("/proc/\(pid)/\(link)") {
            case .to(let path) where Self.isBelow(path, names): return what
            case .hidden: return Self.hidden
            default: continue
            }
        }
        for descriptor in FileSystem.names(in: "/proc/\(pid)/fd") {
            if case .to(let path) = Self.lead("/proc/\(pid)/fd/\(descriptor)"), Self.isBelow(path, names) {
                return "has something of it open"
            }
        }
        return names.contains { maps.contains($0) } ? "has something of it mapped" : nil
    }

    private static func text(_ path: String) -> String? {
        // Why it cannot be read makes no difference.
        guard let bytes = try? FileSystem.read(path, limit: 64 << 20) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    private enum Lead {
        case to(String), nowhere, hidden
    }

    private static func lead(_ link: String) -> Lead {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4097) { buffer in
            guard let start = buffer.baseAddress else { return .nowhere }
            let count = readlink(link, start, 4096)
            if count < 0 { return errno == EACCES || errno == EPERM ? .hidden : .nowhere }
            return .to(String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self))
        }
    }

    private static func isBelow(_ path: String, _ folders: Set<String>) -> Bool {
        folders.contains { path == $0 || path.hasPrefix("\($0)/") || path == "\($0) (deleted)" }
    }
}
