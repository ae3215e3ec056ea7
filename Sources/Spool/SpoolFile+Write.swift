import Glibc

extension SpoolFile {
    /// Puts a push into the spool and returns its id once the file and its name would survive a power cut.
    public static func write(_ push: Push, into directory: String) throws(SpoolError) -> String {
        let bytes = push.encoded()
        guard bytes.count <= Push.maximumEncodedSize else { throw .tooLarge(size: bytes.count) }
        let folder = try SpoolFolder(opening: directory)
        let id = newID(at: push.receivedAtNanoseconds)
        let temporary = temporaryPrefix + id
        try folder.writeDurably(bytes, to: temporary)
        do throws(SpoolError) {
            try folder.rename(temporary, to: name(of: id))
        } catch {
            folder.discard(temporary)
            throw error
        }
        try folder.synchronize()
        return id
    }

    private static func newID(at nanoseconds: Int64) -> String {
        let time = hexadecimal(UInt64(bitPattern: nanoseconds), digits: 16)
        let random = hexadecimal(UInt64(UInt32.random(in: .min ... .max)), digits: 8)
        return "\(time)-\(getpid())-\(random)"
    }

    private static func hexadecimal(_ number: UInt64, digits: Int) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
    }
}
