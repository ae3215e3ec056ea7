import CLinux
import Glibc

/// The environment as bytes, which is what it is.
enum Variable {
    static func value(_ name: String) -> [UInt8]? {
        guard let value = getenv(name) else { return nil }
        return bytes(of: value)
    }

    /// Every `name=value`.
    static var all: [[UInt8]] {
        var list: [[UInt8]] = []
        var next = linux_environment()
        while let place = next, let entry = place.pointee {
            list.append(bytes(of: entry))
            next = place + 1
        }
        return list
    }

    private static func bytes(of text: UnsafeMutablePointer<CChar>) -> [UInt8] {
        Array(UnsafeRawBufferPointer(start: text, count: strlen(text)))
    }
}
