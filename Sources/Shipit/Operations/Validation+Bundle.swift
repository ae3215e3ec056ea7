import ArtifactKit
import CLinux
import Glibc

extension Validation {
    /// A tarball or zip as `deploy-local` takes it, unpacked aside and removed again. `scratch`: where there is room.
    public init(bundle: String, appspec: String? = nil, scratch: String) throws {
        guard let format = try BundleArchive.Format(bundle) else {
            throw ShipitError(
                .usage, "\(visibleLine(bundle)) is neither YAML by its name nor a tar, tgz or zip by its first bytes",
                hint: "--kind pipeline, buildspec or appspec says what it is")
        }
        var template = Array("\(scratch)/shipit-validate-XXXXXX".utf8CString)
        guard let folder = mkdtemp(&template).map({ String(cString: $0) }) else {
            throw ShipitError(.failure, "could not make a folder in \(visibleLine(scratch)): \(systemReason(errno))")
        }
        defer {
            // What cannot be removed stays in the scratch folder, and is the system's to remove.
            try? Directory(path: scratch).removeTree(Array(folder.utf8.dropFirst(scratch.utf8.count + 1))) {}
        }
        do {
            try BundleArchive.unpack(bundle, format, into: try Directory(path: folder))
        } catch let error as ArtifactError {
            throw ShipitError(.configuration, "\(error)")
        }
        try self.init(directory: UnpackedRevision.onlyFolder(in: folder) ?? folder, appspec: appspec)
    }
}

extension BundleArchive.Format {
    /// By its first bytes; nil when they say nothing.
    init?(_ path: String) throws {
        let folder = path.lastIndex(of: "/").map { String(path[..<$0]) + "/" } ?? "."
        let name = path.split(separator: "/").last.map(String.init) ?? path
        let head = try FolderTree(folder).read(name, limit: 512)
        if head.starts(with: Array("PK".utf8)) {
            self = .zip
        } else if head.starts(with: [0x1F, 0x8B]) {
            self = .tgz
        } else if head.count > 262, Array(head[257..<262]) == Array("ustar".utf8) {
            self = .tar
        } else {
            return nil
        }
    }
}
