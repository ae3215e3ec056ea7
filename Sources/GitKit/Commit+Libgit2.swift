internal import CLibgit2
internal import Glibc

extension Commit {
    private static let messageLimit = 64 << 10

    /// Copies out of libgit2's object, which may be freed afterwards.
    init(id: ObjectID, handle: OpaquePointer?) {
        let message = Self.bytes(of: git_commit_message(handle))
        let clipped = message.prefix(Self.messageLimit)
        let lines = clipped.drop { Self.isBlank($0) }
            .split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let title = lines.prefix { !$0.allSatisfy(Self.isBlank) }
        self.init(
            id: id,
            tree: ObjectID(git_commit_tree_id(handle).pointee),
            parents: (0..<git_commit_parentcount(handle)).compactMap { index in
                git_commit_parent_id(handle, index).map { ObjectID($0.pointee) }
            },
            author: Signature(git_commit_author(handle)),
            committer: Signature(git_commit_committer(handle)),
            summary: String(neutralising: Array(title.joined(separator: [UInt8(ascii: " ")]))),
            message: String(neutralising: Self.wholeCharacters(clipped), keeping: ["\n", "\t"]))
    }

    private static func bytes(of text: UnsafePointer<CChar>?) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: text, count: text.map { strlen($0) } ?? 0)
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (9...13).contains(byte) }

    /// Leaves out the beginning of a character that the clipping cut in two.
    private static func wholeCharacters(_ clipped: Slice<UnsafeRawBufferPointer>) -> Slice<UnsafeRawBufferPointer> {
        guard clipped.count == messageLimit, let start = clipped.suffix(4).lastIndex(where: { $0 & 0xc0 != 0x80 }),
            clipped[start] >= 0xc0
        else { return clipped }
        let length = clipped[start] >= 0xf0 ? 4 : clipped[start] >= 0xe0 ? 3 : 2
        return clipped.endIndex - start < length ? clipped[..<start] : clipped
    }
}

extension Signature {
    fileprivate init(_ signature: UnsafePointer<git_signature>?) {
        func text(_ part: UnsafeMutablePointer<CChar>?) -> String {
            String(neutralising: UnsafeRawBufferPointer(start: part, count: part.map { strlen($0) } ?? 0))
        }
        self.init(
            name: text(signature?.pointee.name),
            email: text(signature?.pointee.email),
            seconds: signature?.pointee.when.time ?? 0,
            offsetMinutes: Int(signature?.pointee.when.offset ?? 0))
    }
}
