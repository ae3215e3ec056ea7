import Crypto
import Glibc

/// The file a tarball is written to, its digest so far, and the first thing that went wrong.
final class TarballFile {
    let path: String
    private let file: Descriptor
    private var hash = SHA256()
    private(set) var size: Int64 = 0

    init(creating path: String) throws {
        self.path = visible(Array(path.utf8))
        do throws(SystemFailure) {
            file = try makeFile(path, in: AT_FDCWD, mode: 0o600)
        } catch {
            throw error.named("create", visible(Array(path.utf8)))
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        do { try file.write(bytes) } catch { throw error.named("write", path) }
        hash.update(bufferPointer: bytes)
        size += Int64(bytes.count)
    }

    /// Waits until the content is on the disk.
    func finish() throws -> Digest {
        do throws(SystemFailure) {
            try file.sync()
            try file.close()
        } catch {
            throw error.named("write", path)
        }
        return Digest(hash)
    }
}
