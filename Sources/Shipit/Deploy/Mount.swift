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
        // The source may be empty.
        guard fields.count > 8 else { return nil }
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
