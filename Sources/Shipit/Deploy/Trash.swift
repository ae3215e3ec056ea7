import ArtifactKit
import Glibc

/// What is of no use any more in a target's own folder: out of the way at once, removed when nobody waits.
enum Trash {
    static let prefix = "trash-"

    static func discard(_ name: [UInt8], in own: Directory) throws {
        try own.rename(name, to: Array("\(prefix)\(String(UInt64.random(in: 0 ... .max), radix: 16))".utf8))
    }

    static func empty(in own: Directory) throws {
        for (name, _) in try own.entries() where name.starts(with: prefix.utf8) { try own.removeTree(name) }
    }
}
