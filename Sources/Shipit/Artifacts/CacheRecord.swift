import ArtifactKit
import FoundationEssentials

/// What an entry of a cache says about itself, in `entry.json` beside its items.
struct CacheRecord: Codable, Hashable, Sendable {
    static let file = "entry.json"

    /// One file or folder, which lies beside the record under `name`.
    struct Item: Codable, Hashable, Sendable {
        let name: String
        let place: CachePath.Place
        let path: String
        /// The buildspec's words for it: a buildspec that has others does not get it.
        let written: String
    }

    /// Nil for the cache of a buildspec without a key.
    let key: String?
    /// What a build without walls left is nothing for one that has them.
    let isEnclosed: Bool
    /// The account that the files belong to.
    let user: UInt32
    let run: Int64
    let at: Timestamp
    let bytes: Int64
    let entries: Int
    /// The machine's start during which it was made.
    let boot: String
    /// A build was seen to use it and to change nothing of it.
    var isStable: Bool
    let items: [Item]

    /// The name of its folder: from a hash, so that no key names a path.
    var name: String { Self.name(key, isEnclosed: isEnclosed) }

    static func name(_ key: String?, isEnclosed: Bool) -> String {
        let text = "\(isEnclosed ? "enclosed" : "open")\0\(key.map { "key\0\($0)" } ?? "")"
        return Digest.of(Array(text.utf8)).description
    }

    /// Nil when there is none, or when it cannot be read: then the entry is as good as none.
    static func read(in folder: String) -> CacheRecord? {
        guard let bytes = try? FileSystem.read("\(folder)/\(file)") else { return nil }
        return try? JSONDecoder().decode(CacheRecord.self, from: Data(bytes))
    }

    func write(in folder: String) throws {
        let bytes = Array(try JSONEncoder().encode(self))
        try FileSystem.write("\(folder)/\(Self.file)", bytes, mode: 0o600, sync: false)
    }
}

/// What one build has of a cache, until it gives it back.
struct CacheLoan: Sendable {
    let record: CacheRecord
    /// Found under the key itself, not under the beginning of another.
    let isExact: Bool
    /// The entry's folder while its items are in the workspace; nil when they were copied.
    let lent: String?
    /// Names of the items that were moved.
    let moved: Set<String>
    let items: [CacheRecord.Item]
    /// Whatever is stamped with this or later was changed by the build.
    let since: Int64
    /// How far the wall clock was ahead of the one that cannot be set.
    let lead: Int64
}
