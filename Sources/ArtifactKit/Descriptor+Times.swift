import CLinux
import Glibc

extension Descriptor {
    /// Best effort: when a file was read and written matters to nobody's safety.
    func setTimes(seconds: Int64) { _ = linux_set_times(number, seconds) }
}
