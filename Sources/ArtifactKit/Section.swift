/// Some entries of a manifest, one after the other, that are hashed, compared and compressed as one.
///
/// Two sections of one digest say the same of the same paths, wherever they stand in their manifests.
public struct Section: Hashable, Sendable {
    /// Among all entries of the manifest.
    public let firstEntry: Int
    public let count: Int
    public let firstPath: [UInt8]
    /// Bytes of the files together.
    public let content: Int64
    /// Of its lines.
    public let digest: Digest
    /// Where its lines begin in the manifest's file, and how many bytes they are.
    let offset: Int64
    let size: Int
}
