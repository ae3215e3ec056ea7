import CLinux
import Glibc

/// The git that called the hook.
enum ParentProcess {
    /// How long it has been running, in nanoseconds; nil when that cannot be told (proc(5), field 22 of `stat`).
    static var age: Int64? {
        let file = open("/proc/\(getppid())/stat", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = read(file, &bytes, bytes.count)
        // The second field is the program's name, in brackets, with anything in it.
        guard count > 0, let bracket = bytes[..<count].lastIndex(of: UInt8(ascii: ")")) else { return nil }
        // A shell in between may have begun after git wrote what is to be synced.
        guard bytes[..<bracket].split(separator: UInt8(ascii: "("), maxSplits: 1).last?.starts(with: "git".utf8) == true
        else { return nil }
        let fields = bytes[(bracket + 1)..<count].split(separator: UInt8(ascii: " "))
        guard fields.count > 19, let ticks = Int64(String(decoding: fields[19], as: UTF8.self)) else { return nil }
        let second = Int64(sysconf(Int32(_SC_CLK_TCK)))
        guard second > 0 else { return nil }
        let age = linux_nanoseconds(CLOCK_BOOTTIME) - ticks * (1_000_000_000 / second)
        return age >= 0 ? age : nil
    }
}
