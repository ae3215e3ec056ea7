/// What could not be done with a repository, and why.
public struct GitError: Error, Hashable, Sendable {
    public enum Code: String, Hashable, Sendable {
        case notFound
        case ambiguous
        case exists
        case notOwned
        case unsupportedExtension
        /// Refused by us or by libgit2: a hostile tree, a wrong kind of object, a malformed name.
        case invalid
        case corrupt
        case noSpace
        /// Another process holds the reference's lock file, or left it behind.
        case locked
        case other
    }

    public let code: Code
    /// Completes "could not …".
    public let operation: String
    public let reason: String
    /// What to do about it, where that is known.
    public let hint: String?

    public init(code: Code, operation: String, reason: String, hint: String? = nil) {
        self.code = code
        self.operation = operation
        self.reason = reason
        self.hint = hint
    }
}

extension GitError: CustomStringConvertible {
    public var description: String {
        "could not \(operation): \(reason)" + (hint.map { "\n  hint: \($0)" } ?? "")
    }
}
