import ArtifactKit
import Glibc

/// What is of no use any more in a target's own folder: out of the way at once, removed when nobody waits.
enum Trash {
    static let prefix = "trash-"

    /// As much may wait for a time when nobody waits.
    static let most = 2

    /// `folder` is where the name is, if not in the target's own folder. Returns its new name.
    @discardableResult
    static func discard(_ name: [UInt8], of folder: Directory? = nil, in own: Directory) throws -> [UInt8] {
        let trash = Array("\(prefix)\(String(UInt64.random(in: 0 ... .max), radix: 16))".utf8)
        try (folder ?? own).rename(name, to: trash, in: own)
        return trash
    }

    static func count(in own: Directory) throws -> Int {
        try own.entries().count { $0.name.starts(with: prefix.utf8) }
    }

    /// Throws what `check` throws; what is left then goes the next time. What cannot be removed keeps nothing else.
    static func empty(in own: Directory, check: () throws -> Void = {}) throws {
        var trouble: (any Error)?
        for (name, _) in try own.entries() where name.starts(with: prefix.utf8) {
            try check()
            do {
                try own.removeTree(name, check: check)
            } catch let error where !(error is CancellationError) {
                trouble = trouble ?? error
            }
        }
        if let trouble { throw trouble }
    }
}
