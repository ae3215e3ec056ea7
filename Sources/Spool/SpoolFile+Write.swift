import CLinux
import Glibc

/// A push that is written to the spool and that nobody can see there yet.
public final class PreparedPush {
    /// Where the spool is.
    public let device: UInt64
    private let folder: SpoolFolder
    private let id: String
    private let file: Int32
    private let temporary: String?

    init(_ push: Push, in directory: String) throws(SpoolError) {
        let bytes = push.encoded()
        guard bytes.count <= Push.maximumEncodedSize else { throw .tooLarge(size: bytes.count) }
        folder = try SpoolFolder(opening: directory)
        id = SpoolFile.newID(at: push.receivedAtNanoseconds)
        let name = SpoolFile.temporaryPrefix + id
        let (file, isNamed) = try folder.make(bytes, temporary: name)
        self.file = file
        temporary = isNamed ? name : nil
        device = folder.device
    }

    deinit { close(file) }

    /// Lets the disk begin with it, so that the next sync of anything there need not wait for it.
    public func startWriting() { _ = linux_start_writing(file) }

    /// Gives the push its name and returns its id, once the file and its name would survive a power cut.
    public func publish() throws(SpoolError) -> String {
        do throws(SpoolError) {
            guard fsync(file) == 0 else { throw folder.failure("make durable", id) }
            if let temporary {
                try folder.rename(temporary, to: SpoolFile.name(of: id))
            } else {
                try folder.link(file, as: SpoolFile.name(of: id))
            }
        } catch {
            if let temporary { folder.discard(temporary) }
            throw error
        }
        try folder.synchronize()
        return id
    }
}

extension SpoolFile {
    /// Writes a push aside; it is in the spool when it is published.
    public static func prepare(_ push: Push, in directory: String) throws(SpoolError) -> PreparedPush {
        try PreparedPush(push, in: directory)
    }

    /// Puts a push into the spool and returns its id once the file and its name would survive a power cut.
    public static func write(_ push: Push, into directory: String) throws(SpoolError) -> String {
        try prepare(push, in: directory).publish()
    }

    fileprivate static func newID(at nanoseconds: Int64) -> String {
        let time = hexadecimal(UInt64(bitPattern: nanoseconds), digits: 16)
        let random = hexadecimal(UInt64(UInt32.random(in: .min ... .max)), digits: 8)
        return "\(time)-\(getpid())-\(random)"
    }

    private static func hexadecimal(_ number: UInt64, digits: Int) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }
}
