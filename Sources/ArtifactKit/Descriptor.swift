import Glibc

/// An open file descriptor, closed when nobody needs it any more.
final class Descriptor {
    let number: Int32
    private var isOpen = true

    init(_ number: Int32) {
        self.number = number
    }

    deinit {
        // Whoever cares whether closing works has called close().
        if isOpen { Glibc.close(number) }
    }

    /// Opens a regular file, whatever links lead to it; never waits for a pipe's other end.
    convenience init(reading path: String) throws {
        let shown = { visible(Array(path.utf8)) }
        let number = retrying { Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) }
        guard number >= 0 else { throw ArtifactError(errno: errno, what: "open", path: shown()) }
        self.init(number)
        try checkIsFile(what: "open", path: shown)
    }

    func close() throws(SystemFailure) {
        guard isOpen else { return }
        isOpen = false
        guard Glibc.close(number) == 0 || errno == EINTR else { throw SystemFailure(number: errno) }
    }

    func status() throws(SystemFailure) -> Status {
        var status = stat()
        guard fstat(number, &status) == 0 else { throw SystemFailure(number: errno) }
        return Status(status)
    }

    @discardableResult
    func checkIsFile(what: String, path: () -> String) throws -> Status {
        let status: Status
        do { status = try self.status() } catch { throw error.named(what, path()) }
        guard status.kind == .file else {
            throw ArtifactError(.unsafeEntry, what: what, path: path(), reason: "not a regular file")
        }
        return status
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(SystemFailure) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let part = UnsafeRawBufferPointer(rebasing: rest)
            let count = retrying { Glibc.write(number, part.baseAddress, part.count) }
            guard count >= 0 else { throw SystemFailure(number: errno) }
            rest = rest.dropFirst(count)
        }
    }

    /// A failed one is never repeated: the pages that could not be written are clean by then.
    func sync() throws(SystemFailure) {
        guard fsync(number) == 0 else { throw SystemFailure(number: errno) }
    }

    /// Hands over the file in pieces and returns how long it was.
    func readAll(what: String, path: () -> String, _ consume: (UnsafeRawBufferPointer) throws -> Void) throws -> Int64 {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4096)
        defer { buffer.deallocate() }
        var size: Int64 = 0
        while true {
            let count = retrying { Glibc.read(number, buffer.baseAddress, buffer.count) }
            guard count >= 0 else { throw ArtifactError(errno: errno, what: what, path: path()) }
            guard count > 0 else { return size }
            size += Int64(count)
            try consume(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }
}

/// A system call that failed, before anyone said what was being done to which file.
struct SystemFailure: Error {
    let number: Int32

    func named(_ what: String, _ path: String) -> ArtifactError {
        ArtifactError(errno: number, what: what, path: path)
    }
}

/// A signal is no reason to give up.
func retrying<Count: SignedInteger>(_ call: () -> Count) -> Count {
    while true {
        let count = call()
        if count != -1 || errno != EINTR { return count }
    }
}
