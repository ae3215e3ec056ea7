internal import CLibgit2

/// Reads one tree object entry by entry and refuses what git would not have written.
///
/// We parse the few bytes ourselves because libgit2 takes unsorted, doubled and hostile names as they come.
final class TreeCursor {
    struct Entry {
        let name: [UInt8]
        let kind: EntryKind
        let id: ObjectID

        /// As git sorts: a directory as if its name ended in a slash.
        func precedes(_ other: Entry) -> Bool {
            let common = min(name.count, other.name.count)
            for index in 0..<common where name[index] != other.name[index] { return name[index] < other.name[index] }
            return byte(common) < other.byte(common)
        }

        private func byte(_ index: Int) -> UInt8 {
            index < name.count ? name[index] : (kind == .directory ? UInt8(ascii: "/") : 0)
        }
    }

    let byteCount: Int
    /// The folder's own path, for messages and for its entries.
    let path: [UInt8]

    private let object: OpaquePointer
    private let bytes: UnsafeRawBufferPointer
    private var offset = 0
    private var previous: Entry?
    /// Names of files so far which begin the current name: a directory of the same name may come much later.
    private var fileNames: [[UInt8]] = []
    private let operation: String

    init(object: OpaquePointer, path: [UInt8], operation: String) {
        self.object = object
        self.path = path
        self.operation = operation
        bytes = UnsafeRawBufferPointer(start: git_odb_object_data(object), count: git_odb_object_size(object))
        byteCount = bytes.count
    }

    deinit { git_odb_object_free(object) }

    func next() throws -> Entry? {
        guard let entry = try parse(at: &offset) else { return nil }
        if let problem = EntryName.problem(with: entry.name) {
            throw refusal(of: entry.name, "the name \(problem)")
        }
        try checkOrder(of: entry)
        previous = entry
        return entry
    }

    /// Looks a file up beside the reading, without moving on.
    func file(named name: String) throws -> Entry? {
        var position = 0
        while let entry = try parse(at: &position) {
            if entry.name.elementsEqual(name.utf8) { return entry.kind == .directory ? nil : entry }
        }
        return nil
    }

    func path(of name: [UInt8]) -> [UInt8] { path.isEmpty ? name : path + [UInt8(ascii: "/")] + name }

    private func checkOrder(of entry: Entry) throws {
        if let previous, !previous.precedes(entry) {
            let twice = previous.name == entry.name && previous.kind != .directory
            throw refusal(of: entry.name, twice ? "the name is there twice" : "the tree is not sorted")
        }
        while let last = fileNames.last, !entry.name.starts(with: last) { fileNames.removeLast() }
        guard entry.kind == .directory else { return fileNames.append(entry.name) }
        if fileNames.last == entry.name { throw refusal(of: entry.name, "there is a file of the same name") }
    }

    /// `mode SP name NUL id`, the id being 20 raw bytes.
    private func parse(at position: inout Int) throws -> Entry? {
        guard position < bytes.count else { return nil }
        var mode: UInt32 = 0
        var index = position
        while index < bytes.count, (0x30...0x37).contains(bytes[index]), index - position < 10 {
            mode = mode << 3 | UInt32(bytes[index] - 0x30)
            index += 1
        }
        guard index > position, index < bytes.count, bytes[index] == UInt8(ascii: " "),
            let end = bytes[(index + 1)...].firstIndex(of: 0), end + 20 < bytes.count
        else {
            throw GitError(
                code: .corrupt, operation: operation, reason: "the tree of \(Self.shown(path)) cannot be parsed")
        }
        let name = Array(bytes[(index + 1)..<end])
        position = end + 21
        guard let kind = EntryKind(mode: mode) else {
            throw refusal(of: name, "its mode is \(String(mode, radix: 8)), which is no file, link or directory")
        }
        return Entry(name: name, kind: kind, id: ObjectID(rawBytes: .init(rebasing: bytes[(end + 1)..<(end + 21)])))
    }

    private func refusal(of name: [UInt8], _ reason: String) -> GitError {
        GitError(code: .invalid, operation: operation, reason: "\(Self.shown(path(of: name))): \(reason)")
    }

    static func shown(_ path: [UInt8]) -> String {
        path.isEmpty ? "the root" : "\"\(String(escaping: Array(path.prefix(400))))\(path.count > 400 ? "…" : "")\""
    }
}
