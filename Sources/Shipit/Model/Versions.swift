import ArtifactKit
import Glibc

/// Versions of shipit and of what it stands on.
public enum Versions {
    public static let shipit = "0.1.0"

    static var all: [String: String] {
        var machine = utsname()
        uname(&machine)
        let release = withUnsafePointer(to: &machine.release) {
            $0.withMemoryRebound(to: CChar.self, capacity: 65) { String(cString: $0) }
        }
        return ["shipit": shipit, "linux": release, "libarchive": TarballReader.libraryVersion]
    }
}
