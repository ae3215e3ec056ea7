import Crypto

/// SHA-256 of bytes that come in pieces.
public struct FileHash {
    private var hash = SHA256()

    public init() {}

    public mutating func update(_ bytes: UnsafeRawBufferPointer) { hash.update(bufferPointer: bytes) }

    public var digest: Digest { Digest(hash) }
}
