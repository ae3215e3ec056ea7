import Glibc

/// Finds processes by what they inherited, since a process that changed its group or session is in no group to kill.
enum ProcessSweep {
    /// Processes whose environment at their start held `SHIPIT_MARK=mark`, or a mark that begins with `mark.`.
    static func processes(marked mark: String) -> [Int32] {
        let wanted = Array("SHIPIT_MARK=\(mark)".utf8)
        return everyone.filter { pid in
            // A process that ended meanwhile, or that is not ours to read, is none of ours.
            guard let environment = bytes(of: "/proc/\(pid)/environ") else { return false }
            return environment.split(separator: 0).contains { variable in
                variable.starts(with: wanted)
                    && (variable.count == wanted.count
                        || variable[variable.startIndex + wanted.count] == UInt8(ascii: "."))
            }
        }
    }

    /// Every process whose mark begins so, with its mark.
    static func marks(beginning prefix: String) -> [(pid: Int32, mark: String)] {
        let wanted = Array("SHIPIT_MARK=\(prefix)".utf8)
        return everyone.compactMap { pid in
            guard let environment = bytes(of: "/proc/\(pid)/environ"),
                let variable = environment.split(separator: 0).first(where: { $0.starts(with: wanted) })
            else { return nil }
            return (pid, String(decoding: variable.dropFirst("SHIPIT_MARK=".utf8.count), as: UTF8.self))
        }
    }

    /// Processes that were started with the path of something in this folder in a variable; this one does not count.
    static func processes(naming folder: String) -> [Int32] {
        let wanted = Array("\(folder)/".utf8)
        return everyone.filter { pid in
            guard pid != getpid(), let environment = bytes(of: "/proc/\(pid)/environ") else { return false }
            return environment.firstRange(of: wanted) != nil && !isZombie(pid)
        }
    }

    /// The process was started with exactly this `NAME=value`.
    static func environment(of pid: Int32, holds variable: String) -> Bool {
        bytes(of: "/proc/\(pid)/environ")?.split(separator: 0).contains { $0.elementsEqual(variable.utf8) } ?? false
    }

    static func signal(_ signal: Int32, marked mark: String) {
        for pid in processes(marked: mark) where pid != getpid() { kill(pid, signal) }
    }

    /// Kills until none is found any more: one that forks while we look is found in the next round.
    static func end(marked mark: String) {
        for _ in 0..<100 {
            let found = processes(marked: mark).filter { $0 != getpid() && !isZombie($0) }
            if found.isEmpty { return }
            for pid in found { kill(pid, SIGKILL) }
            usleep(2000)
        }
    }

    /// Processes that hold the other end of this pipe open.
    static func holders(of pipe: Int32) -> [Int32] {
        guard let name = link("/proc/self/fd/\(pipe)") else { return [] }
        return everyone.filter { pid in
            guard pid != getpid() else { return false }
            let folder = "/proc/\(pid)/fd"
            return FileSystem.names(in: folder).contains { link("\(folder)/\($0)") == name }
        }
    }

    /// Whether a hook of this home has not come to its end; where others' processes are hidden, nobody knows.
    static func isReceiving(for home: Home) -> Bool {
        let path = Array(home.path.utf8)
        return everyone.contains { pid in
            guard bytes(of: "/proc/\(pid)/comm").map({ $0.starts(with: "shipit-receive".utf8) }) == true else {
                return false
            }
            let words = bytes(of: "/proc/\(pid)/cmdline")?.split(separator: 0) ?? []
            return words.contains { $0.elementsEqual(path) } && !isZombie(pid)
        }
    }

    /// Where a process was started in the life of this machine; with its number it names one process.
    static func startTicks(of pid: Int32) -> Int64? {
        guard let stat = bytes(of: "/proc/\(pid)/stat"), let end = stat.lastIndex(of: UInt8(ascii: ")")) else {
            return nil
        }
        let fields = stat[(end + 1)...].split(separator: UInt8(ascii: " "))
        return fields.count > 19 ? Int64(String(decoding: fields[19], as: UTF8.self)) : nil
    }

    private static func isZombie(_ pid: Int32) -> Bool {
        guard let stat = bytes(of: "/proc/\(pid)/stat"), let end = stat.lastIndex(of: UInt8(ascii: ")")) else {
            return true
        }
        return stat.dropFirst(end + 2).first == UInt8(ascii: "Z")
    }

    private static var everyone: [Int32] { FileSystem.names(in: "/proc").compactMap { Int32($0) } }

    private static func bytes(of path: String) -> [UInt8]? {
        // Gone or forbidden: both mean that there is nothing to learn.
        (try? FileSystem.read(path, limit: 8 << 20)) ?? nil
    }

    private static func link(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 256)
        let count = readlink(path, &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
    }
}
