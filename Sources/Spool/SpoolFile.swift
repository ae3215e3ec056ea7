/// The files of a spool folder: each is one push, named by its id, and appears whole or not at all.
public enum SpoolFile {
    static let suffix = ".push"
    static let temporaryPrefix = ".tmp-"

    /// Whether these bytes may become a file name: `<16 hex digits>-<process>-<8 hex digits>`.
    public static func isID(_ text: String) -> Bool {
        let parts = text.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        return parts.count == 3 && parts[0].count == 16 && (1...10).contains(parts[1].count) && parts[2].count == 8
            && parts[0].allSatisfy(\.isLowercaseHexDigit) && parts[1].allSatisfy(\.isDecimalDigit)
            && parts[2].allSatisfy(\.isLowercaseHexDigit)
    }

    static func name(of id: String) throws(SpoolError) -> String {
        guard isID(id) else { throw .invalidID(id) }
        return id + suffix
    }

    static func id(ofFile name: String) -> String? {
        guard name.hasSuffix(suffix) else { return nil }
        let id = String(name.dropLast(suffix.count))
        return isID(id) ? id : nil
    }
}
