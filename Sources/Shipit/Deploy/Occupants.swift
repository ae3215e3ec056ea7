import ArtifactKit
import Glibc

/// Processes that hold on to a folder, as far as this process may see.
enum Occupants {
    /// The first that has something below `folder` as its working folder, root, program, open file, mapping or mount,
    /// in words for people; nil if none has. A process that cannot be looked into may have.
    static func first(below folder: String) -> String? {
        for name in FileSystem.names(in: "/proc") {
            guard let pid = Int32(name), pid != getpid() else { continue }
            if let what = occupation(of: pid, folder) { return "process \(pid) \(what)" }
        }
        return nil
    }

    private static func occupation(of pid: Int32, _ folder: String) -> String? {
        for (link, what) in [("cwd", "works there"), ("root", "has it for its root"), ("exe", "runs from it")] {
            switch lead("/proc/\(pid)/\(link)") {
            case .to(let path) where isBelow(path, folder): return what
            case .hidden: return "cannot be looked into"
            default: continue
            }
        }
        for descriptor in FileSystem.names(in: "/proc/\(pid)/fd") {
            if case .to(let path) = lead("/proc/\(pid)/fd/\(descriptor)"), isBelow(path, folder) {
                return "has something of it open"
            }
        }
        for (file, what) in [("maps", "has something of it mapped"), ("mountinfo", "has something mounted there")] {
            // Gone meanwhile, or a thread of the kernel.
            guard let bytes = try? FileSystem.read("/proc/\(pid)/\(file)", limit: 64 << 20) else { continue }
            if String(decoding: bytes, as: UTF8.self).contains(folder) { return what }
        }
        return nil
    }

    private enum Lead {
        case to(String), nowhere, hidden
    }

    private static func lead(_ link: String) -> Lead {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4097) { buffer in
            guard let start = buffer.baseAddress else { return .nowhere }
            let count = readlink(link, start, 4096)
            if count < 0 { return errno == EACCES || errno == EPERM ? .hidden : .nowhere }
            return .to(String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self))
        }
    }

    private static func isBelow(_ path: String, _ folder: String) -> Bool {
        path == folder || path.hasPrefix("\(folder)/") || path == "\(folder) (deleted)"
    }
}
