internal import Glibc

/// A `git cat-file --batch` child, asked for one large blob after another.
final class BlobStream {
    private let process: pid_t
    /// Both ways; a socket rather than pipes, since writing to a dead child's socket can be told not to raise SIGPIPE.
    private let socket: Int32
    private var buffer = [UInt8](repeating: 0, count: 128 << 10)
    private var unread = 0..<0

    init(gitDirectory: String, operation: String) throws {
        var sockets: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &sockets) == 0 else {
            throw GitError(errno: errno, operation: operation)
        }
        let arguments = [
            "git", "--no-replace-objects", "--git-dir=\(gitDirectory)", "-c", "core.bigFileThreshold=1m",
            // A pack is mapped by and by, not whole: a mapped page counts as memory as long as it is mapped.
            "-c", "core.packedGitWindowSize=1m", "-c", "core.packedGitLimit=8m", "cat-file", "--batch",
        ]
        let (number, process) = Self.spawn(arguments, socket: sockets[1])
        close(sockets[1])
        guard number == 0 else {
            close(sockets[0])
            throw GitError(
                errno: number, operation: operation, hint: "blobs above 8 MiB are read with git: install it")
        }
        self.process = process
        socket = sockets[0]
    }

    deinit {
        close(socket)
        kill(process, SIGKILL)
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
    }

    /// Checks the id and the size that git answers with; the last newline is read before this returns.
    func read(
        _ id: ObjectID, size: Int64, operation: String, _ consume: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        try ask(id, operation)
        let answer = try line(operation)
        guard answer == "\(id) blob \(size)" else {
            throw GitError(
                code: answer.hasSuffix(" missing") ? .notFound : .corrupt, operation: operation,
                reason: "git cat-file answered \"\(answer)\"")
        }
        var rest = size
        while rest > 0 {
            if unread.isEmpty { try fill(operation) }
            let count = Int(min(Int64(unread.count), rest))
            try buffer.withUnsafeBytes { try consume(.init(rebasing: $0[unread.prefix(count)])) }
            unread.removeFirst(count)
            rest -= Int64(count)
        }
        guard try line(operation).isEmpty else {
            throw GitError(code: .corrupt, operation: operation, reason: "git cat-file sent more than it said")
        }
    }

    private func ask(_ id: ObjectID, _ operation: String) throws {
        var question = Array((id.hex + "\n").utf8)[...]
        while !question.isEmpty {
            let count = question.withUnsafeBytes { send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw GitError(errno: errno, operation: operation) }
            question.removeFirst(count)
        }
    }

    private func line(_ operation: String) throws -> String {
        var line: [UInt8] = []
        while true {
            if unread.isEmpty { try fill(operation) }
            let byte = buffer[unread.removeFirst()]
            if byte == UInt8(ascii: "\n") { return String(neutralising: line) }
            line.append(byte)
            guard line.count < 300 else {
                throw GitError(code: .corrupt, operation: operation, reason: "git cat-file answered no header")
            }
        }
    }

    private func fill(_ operation: String) throws {
        while true {
            let count = Glibc.read(socket, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw GitError(errno: errno, operation: operation) }
            guard count > 0 else {
                throw GitError(
                    code: .corrupt, operation: operation, reason: "git cat-file ended before the blob did",
                    hint: "see what is wrong with the object: git fsck")
            }
            unread = 0..<count
            return
        }
    }
}
