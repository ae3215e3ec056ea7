import CLinux
import Glibc

/// Where a revision is in what was unpacked of its bundle (AWS reference 1.1).
enum UnpackedRevision {
    /// A folder around everything is no part of it when the appspec lies in that; nil when there is none.
    static func onlyFolder(in unpacked: String) -> String? {
        let names = FileSystem.names(in: unpacked)
        guard names.count == 1,
            FileSystem.linkStatus("\(unpacked)/\(names[0])").map({ $0.st_mode & S_IFMT }) == S_IFDIR,
            FileSystem.names(in: "\(unpacked)/\(names[0])").contains(where: { $0.lowercased().contains("appspec") })
        else { return nil }
        return "\(unpacked)/\(names[0])"
    }
}
