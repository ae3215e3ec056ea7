import Glibc

extension SpoolError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unknownFormat: "this is not a spool file that this shipit understands"
        case .truncated(let position): "the spool file ends too early, at byte \(position)"
        case .malformed(let what, let position): "the spool file is damaged at byte \(position): \(what)"
        case .missing(let key): "the spool file has no \(key)"
        case .tooLarge(let size): "a spool file of \(size) bytes is too large, at most \(Push.maximumEncodedSize) go in"
        case .invalidID(let id): "\(id.debugDescription) is not the id of a push"
        case .notARegularFile(let path): "\(path) is not a regular file"
        case .system(let operation, let path, let code): "could not \(operation) \(path): \(Self.reason(of: code))"
        }
    }

    /// The system's words for an error number, in lower case as ours are.
    public static func reason(of code: Int32) -> String {
        guard let text = strerror(code) else { return "error \(code)" }
        let words = String(cString: text)
        return words.prefix(1).lowercased() + words.dropFirst()
    }
}
