internal import CZlib
internal import Glibc

/// One zlib stream that fills a file, inflated with buffers of a fixed size.
final class Inflation {
    static let hint = "see what is wrong with the object: git fsck"

    private static let inputSize = 64 << 10
    private static let outputSize = 128 << 10

    private let file: Int32
    private let operation: String
    /// In one place for its whole life: zlib notes where it is.
    private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    private let input = UnsafeMutableRawBufferPointer.allocate(byteCount: inputSize, alignment: 64)
    private let output = UnsafeMutableRawBufferPointer.allocate(byteCount: outputSize, alignment: 64)

    init(of file: Int32, operation: String) throws {
        self.file = file
        self.operation = operation
        stream.initialize(to: z_stream())
        guard shipit_inflate_init(stream) == Z_OK else {
            throw GitError(code: .other, operation: operation, reason: "zlib found no memory")
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
        input.deallocate()
        output.deallocate()
    }

    /// Throws unless the stream ends in order and the file with it.
    func forEachPiece(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        while true {
            let isAtEnd = stream.pointee.avail_in == 0 ? try fill() == 0 : false
            stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: Bytef.self)
            stream.pointee.avail_out = uInt(output.count)
            let result = inflate(stream, Z_NO_FLUSH)
            let count = output.count - Int(stream.pointee.avail_out)
            if count > 0 { try body(UnsafeRawBufferPointer(rebasing: output[..<count])) }
            switch result {
            case Z_STREAM_END:
                guard try stream.pointee.avail_in == 0 && fill() == 0 else {
                    throw corrupt("it is followed by garbage")
                }
                return
            case Z_OK where !isAtEnd || count > 0: continue
            case Z_OK, Z_BUF_ERROR: throw corrupt("its file ends before it does")
            case Z_MEM_ERROR: throw GitError(code: .other, operation: operation, reason: "zlib found no memory")
            default: throw corrupt(stream.pointee.msg.map { "zlib says: \(String(cString: $0))" } ?? "it is not zlib's")
            }
        }
    }

    private func fill() throws -> Int {
        while true {
            let count = Glibc.read(file, input.baseAddress, input.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw GitError(errno: errno, operation: operation) }
            stream.pointee.next_in = input.baseAddress?.assumingMemoryBound(to: Bytef.self)
            stream.pointee.avail_in = uInt(count)
            return count
        }
    }

    private func corrupt(_ reason: String) -> GitError {
        GitError(code: .corrupt, operation: operation, reason: reason, hint: Self.hint)
    }
}
