import ArtifactKit
import Glibc

extension Directory {
    /// Gives a file, a folder or a link itself to somebody; what is not there any more is passed over.
    func give(_ path: [UInt8], to user: User) throws { try give(path, user.uid, user.gid) }

    func give(_ path: [UInt8], _ uid: UInt32, _ gid: UInt32) throws {
        let status = (path + [0]).withUnsafeBytes { bytes in
            // The bytes end with a zero, so there is a first one.
            bytes.baseAddress.map {
                fchownat(descriptor, $0.assumingMemoryBound(to: CChar.self), uid, gid, AT_SYMLINK_NOFOLLOW)
            } ?? -1
        }
        guard status == 0 || errno == ENOENT || errno == ENOTDIR else {
            throw ShipitError(.failure, "could not change the owner of \(visible(path)): \(systemReason(errno))")
        }
    }
}
