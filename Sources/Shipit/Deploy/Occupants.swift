import ArtifactKit
import Glibc

/// Processes that hold on to a folder, as far as this process may see.
struct Occupants {
    private let folder: String
    private let place: Mount.Place
    /// What the folder is called by those who see what we see.
    private let names: Set<String>

    /// `folder` is a real path. Nil when /proc does not tell.
    init?(of folder: String) {
        guard let mounts = Mount.all(in: "self"), let place = Mount.place(of: folder, in: mounts) else { return nil }
        self.folder = folder
        self.place = place
        names = Set(mounts.compactMap { $0.name(of: place) }).union([folder])
    }

    /// The first that has something below `folder` as its working folder, root, program, open file, mapping or mount,
    /// in words for people; nil if none has. A process that cannot be looked into may have.
    static func first(below folder: String) -> String? {
        guard let occupants = Occupants(of: folder) else { return "perhaps somebody, since /proc does not tell" }
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
        if mounts.contains(where: { $0.isPart(of: place) || $0.options.contains(folder) }) {
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

/// A line of `/proc/PID/mountinfo` (proc(5)): which part of which file system is to be seen where.
struct Mount: Hashable, Sendable {
    /// A folder by its file system and its path there, which no mount changes.
    struct Place: Hashable, Sendable {
        let device: String
        let path: String
    }

    let device: String
    /// The part of the file system that is to be seen.
    let root: String
    let point: String
    let options: String

    /// Nil when it cannot be read. `process`: a number, or `self`.
    static func all(in process: String) -> [Mount]? {
        // Why it cannot be read makes no difference.
        guard let bytes = try? FileSystem.read("/proc/\(process)/mountinfo", limit: 64 << 20) else { return nil }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap(Mount.init)
    }

    init?(_ line: Substring) {
        let fields = line.split(separator: " ")
        guard fields.count > 9 else { return nil }
        device = String(fields[2])
        root = Self.plain(fields[3])
        point = Self.plain(fields[4])
        options = Self.plain(fields[fields.count - 1])
    }

    /// Of a folder that has a real path here; nil when no mount has it.
    static func place(of folder: String, in mounts: [Mount]) -> Place? {
        // Of two mounts at one point the later one is seen.
        let nearest = mounts.filter { rest(of: folder, below: $0.point) != nil }
            .enumerated().max { ($0.element.point.utf8.count, $0.offset) < ($1.element.point.utf8.count, $1.offset) }?
            .element
        guard let nearest, let rest = rest(of: folder, below: nearest.point) else { return nil }
        return Place(device: nearest.device, path: join(nearest.root, rest))
    }

    /// What a place is called below this mount; nil when it is not to be seen there.
    func name(of place: Place) -> String? {
        guard device == place.device, let rest = Self.rest(of: place.path, below: root) else { return nil }
        return Self.join(point, rest)
    }

    /// Whether nothing but something in a place is to be seen here.
    func isPart(of place: Place) -> Bool { device == place.device && Self.rest(of: root, below: place.path) != nil }

    /// Empty, or begins with a slash.
    private static func rest(of path: String, below folder: String) -> String? {
        if folder == "/" { return path == "/" ? "" : path }
        if path == folder { return "" }
        return path.hasPrefix("\(folder)/") ? String(path.dropFirst(folder.count)) : nil
    }

    private static func join(_ folder: String, _ rest: String) -> String {
        if rest.isEmpty { return folder }
        return folder == "/" ? rest : folder + rest
    }

    /// Spaces, tabs, line ends and backslashes are written as three octal digits.
    private static func plain(_ field: Substring) -> String {
        guard field.contains("\\") else { return String(field) }
        var bytes: [UInt8] = [], rest = Array(field.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3,
                let code = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            {
                bytes.append(code)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
