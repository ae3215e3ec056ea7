import Glibc

/// The moments at which the tests kill us, stop us, or make the next step fail; inert unless SHIPIT_FAILPOINT names one.
enum Failpoint: String, CaseIterable {
    case beforeKeep = "receive-before-keep"
    case afterKeep = "receive-after-keep"
    case afterSync = "receive-after-sync"
    case afterSpool = "receive-after-spool"

    /// Throws the error that the following step shall seem to meet.
    func reach() throws(SystemError) {
        guard let setting = getenv("SHIPIT_FAILPOINT") else { return }
        let words = String(cString: setting).split(separator: ":", maxSplits: 1)
        guard words.count == 2, words[0] == rawValue else { return }
        switch words[1] {
        case "kill": kill(getpid(), SIGKILL)
        case "stop": kill(getpid(), SIGSTOP)
        default:
            guard let code = Self.code(of: words[1]) else { return }
            throw SystemError(operation: "pass the failpoint \(rawValue)", code: code)
        }
    }

    private static func code(of action: Substring) -> Int32? {
        guard action.hasPrefix("error=") else { return nil }
        return switch action.dropFirst("error=".count) {
        case "ENOSPC": ENOSPC
        case "EDQUOT": EDQUOT
        case "EIO": EIO
        case "EROFS": EROFS
        case "EACCES": EACCES
        case let number: Int32(number)
        }
    }
}
