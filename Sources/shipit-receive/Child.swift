import Glibc

/// A program that was started.
struct Child {
    let pid: pid_t

    /// Its exit status as a shell gives it: 128 and the signal if one ended it.
    func wait() -> Int32 {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 {
            guard errno == EINTR else { return 1 }
        }
        let signal = status & 0x7F
        return signal == 0 ? (status >> 8) & 0xFF : 128 + signal
    }
}
