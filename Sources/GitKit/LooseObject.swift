internal import Crypto
internal import Glibc

/// An object in a file of its own below `objects/`, inflated piece by piece whatever its size.
///
/// Opening it costs a look; a file that is opened stays readable though a gc removes its name meanwhile.
struct LooseObject {
    private let file: Int32
    private let id: ObjectID
    private let operation: String

    /// Nil where no such file can be opened: the object is in a pack, or nowhere.
    init?(_ id: ObjectID, in repository: Repository, operation: String) {
        let name = "\(id.abbreviated(2))/\(id.hex.dropFirst(2))"
        for folder in ObjectFolders(of: repository.commonDirectory).paths {
            let file = open("\(folder)/\(name)", O_RDONLY | O_CLOEXEC | O_NONBLOCK)
            guard file >= 0 else { continue }
            var status = stat()
            guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
                Glibc.close(file)
                continue
            }
            self.file = file
            self.id = id
            self.operation = operation
            return
        }
        return nil
    }

    func close() { Glibc.close(file) }

    /// Hands out a blob of this size. What was handed out is to be believed when this returns and not before: only
    /// then are its length and its SHA-1 known to be right.
    func read(size: Int64, _ consume: (UnsafeRawBufferPointer) throws -> Void) throws {
        let inflation = try Inflation(of: file, operation: operation)
        let header = Array("blob \(size)\0".utf8)
        var hash = Insecure.SHA1()
        var seen: Int64 = 0
        try inflation.forEachPiece { piece in
            hash.update(bufferPointer: piece)
            var content = piece[...]
            if seen < header.count {
                let part = header[Int(seen)...].prefix(content.count)
                guard content.prefix(part.count).elementsEqual(part) else {
                    throw corrupt("its header is not that of a blob with \(size) bytes")
                }
                content = content.dropFirst(part.count)
            }
            seen += Int64(piece.count)
            guard seen <= Int64(header.count) + size else {
                throw corrupt("it holds more than the \(size) bytes it says")
            }
            if !content.isEmpty { try consume(UnsafeRawBufferPointer(rebasing: content)) }
        }
        guard seen == Int64(header.count) + size else { throw corrupt("it holds less than the \(size) bytes it says") }
        let digest = hash.finalize().withUnsafeBytes { ObjectID(rawBytes: $0) }
        guard digest == id else { throw corrupt("its content has the id \(digest)") }
    }

    private func corrupt(_ reason: String) -> GitError {
        GitError(code: .corrupt, operation: operation, reason: reason, hint: Inflation.hint)
    }
}

/// The folders in which a repository's objects may lie: its own, then its alternates, as libgit2 looks for them.
struct ObjectFolders {
    private(set) var paths: [String] = []

    init(of commonDirectory: String) { add("\(commonDirectory)/objects", depth: 0) }

    /// A line that cannot be understood leaves its folder out; git itself is asked for what is not found.
    private mutating func add(_ folder: String, depth: Int) {
        guard depth <= 5, paths.count < 100, !paths.contains(folder) else { return }
        paths.append(folder)
        guard let text = Self.text(ofFile: "\(folder)/info/alternates") else { return }
        for line in text.split(separator: "\n") where !line.hasPrefix("#") && !line.hasPrefix("\"") {
            add(line.hasPrefix("/") ? String(line) : "\(folder)/\(line)", depth: depth + 1)
        }
    }

    private static func text(ofFile path: String) -> String? {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        let count = read(file, &bytes, bytes.count)
        return count > 0 ? String(decoding: bytes.prefix(count), as: UTF8.self) : nil
    }
}
