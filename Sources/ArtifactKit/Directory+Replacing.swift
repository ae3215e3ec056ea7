import Glibc

extension Directory {
    /// What this puts into a folder for a moment begins so; a crash may leave one, which nobody needs.
    public static let asidePrefix: [UInt8] = Array(".aside-".utf8)

    /// Puts a file in place in one step: readers see the old or the new content, and, when synced, so does a machine
    /// that lost its power.
    public func writeAtomically(_ name: [UInt8], _ bytes: [UInt8], mode: UInt16 = 0o644, sync: Bool = true) throws {
        try replace(name, what: "write", sync: sync) { folder, aside throws(SystemFailure) in
            let file = try makeFile(aside, in: folder, mode: mode)
            do throws(SystemFailure) {
                try bytes.withUnsafeBufferPointer { bytes throws(SystemFailure) in
                    try file.write(UnsafeRawBufferPointer(bytes))
                }
                if sync { try file.sync() }
                try file.close()
            } catch {
                unlinkat(folder, aside, 0)
                throw error
            }
        }
    }

    /// Makes a link lead elsewhere in one step; readers never find it missing, and it is on the disk on return.
    public func swapLink(_ name: [UInt8], target: [UInt8]) throws {
        guard !target.contains(0) else { throw failure(EINVAL, "switch the link", name) }
        try replace(name, what: "switch the link", sync: true) { folder, aside throws(SystemFailure) in
            guard target.withCPath({ symlinkat($0, folder, aside) }) == 0 else { throw SystemFailure(number: errno) }
        }
    }

    /// Replaces what is at `to`, if it is of the same sort; both are below this folder.
    public func rename(_ from: [UInt8], to: [UInt8]) throws {
        try rename(from, to: to, in: self)
    }

    /// Moves below another folder of the same file system.
    public func rename(_ from: [UInt8], to: [UInt8], in other: Directory) throws {
        try withParent(of: from, what: "rename") { oldFolder, oldName in
            try other.withParent(of: to, what: "rename to") { newFolder, newName in
                guard renameat(oldFolder, oldName, newFolder, newName) == 0 else {
                    let number = errno
                    throw ArtifactError(errno: number, what: "rename", path: "\(shown(from)) to \(other.shown(to))")
                }
            }
        }
    }

    /// Of a folder; not of a link that somebody put in its place.
    public func setMode(_ path: [UInt8], _ mode: UInt16) throws {
        let folder = try openBeneath(path, O_RDONLY | O_DIRECTORY, what: "set the mode of")
        guard fchmod(folder.number, mode_t(mode & 0o777)) == 0 else { throw failure(errno, "set the mode of", path) }
    }

    /// A file or a link, or anything else that is no folder.
    public func remove(_ path: [UInt8]) throws {
        try withParent(of: path, what: "remove") { folder, name in
            guard unlinkat(folder, name, 0) == 0 else { throw failure(errno, "remove", path) }
        }
    }

    private func replace(
        _ name: [UInt8], what: String, sync: Bool,
        making: (Int32, UnsafePointer<CChar>) throws(SystemFailure) -> Void
    ) throws {
        try withParent(of: name, what: what) { folder, final in
            let aside = Self.asidePrefix + String(UInt64.random(in: 0 ... .max), radix: 16).utf8
            try aside.withCPath { aside in
                do throws(SystemFailure) { try making(folder, aside) } catch { throw error.named(what, shown(name)) }
                guard renameat(folder, aside, folder, final) == 0 else {
                    let number = errno
                    unlinkat(folder, aside, 0)
                    throw failure(number, what, name)
                }
            }
            guard !sync || fsync(folder) == 0 else { throw failure(errno, "sync the folder of", name) }
        }
    }
}
