/// Why a spool file could not be written or read; positions are byte offsets.
public enum SpoolError: Error, Hashable, Sendable {
    case unknownFormat
    case truncated(at: Int)
    case malformed(what: String, at: Int)
    case missing(key: String)
    case tooLarge(size: Int)
    case invalidID(String)
    case notARegularFile(path: String)
    case system(operation: String, path: String, code: Int32)
}
