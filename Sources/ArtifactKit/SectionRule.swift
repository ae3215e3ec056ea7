/// Where a manifest is cut into sections, each of which is a frame of the tarball.
///
/// The entries alone decide, so that a manifest has one form however it came about, and an edit moves few cuts: before
/// an entry whose path says so once the section weighs 512 KiB, and in any case before it weighs more than 4 MiB.
struct SectionRule {
    private static let least: Int64 = 512 << 10
    private static let most: Int64 = 4 << 20
    /// Of an entry besides its content: a tar's header.
    private static let header: Int64 = 512

    private(set) var weight: Int64 = 0

    /// Whether the next entry begins a section; the first one does not end any.
    mutating func cuts(before path: [UInt8], size: Int64) -> Bool {
        let added = min(size, 1 << 50) + Self.header
        let isCut = weight > 0 && (weight + added > Self.most || weight >= Self.least && Self.says(path))
        weight = isCut ? added : weight + added
        return isCut
    }

    /// A section came as a whole.
    mutating func skip(_ section: Section) { weight = section.content + Int64(section.count) * Self.header }

    /// One path of eight, by FNV-1a (RFC 9923).
    private static func says(_ path: [UInt8]) -> Bool {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in path { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return (hash ^ hash >> 32) & 7 == 0
    }
}
