import Glibc

/// What could not be done to a file, a folder, a manifest or a tarball, and why.
public struct ArtifactError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Code: Hashable, Sendable {
        /// The system said no; the number is an errno.
        case system(Int32)
        /// A path that is absolute, climbs, or is longer or deeper than we allow.
        case unsafePath
        /// A link that is absolute, empty, or leads out of its root.
        case unsafeLink
        /// An entry of a kind or with a mode that no artifact has.
        case unsafeEntry
        /// An entry that does not come after the one before it, or whose folder did not come first.
        case disorder
        /// Text or bytes that do not have the form they should have.
        case malformed
        /// Content that is not what its digest or manifest says.
        case differs
        case tooLarge
        /// A folder that could not be emptied.
        case leftovers
        /// A writer that was used after it failed or finished.
        case finished
    }

    /// Callers switch on this.
    public let code: Code
    /// The verb and its object, as in "could not \(what) \(path)".
    public let what: String
    /// Ready to be shown, see ``visible(_:)``; empty where there is none.
    public let path: String
    public let reason: String

    public init(_ code: Code, what: String, path: String, reason: String) {
        self.code = code
        self.what = what
        self.path = path
        self.reason = reason
    }

    public var description: String {
        path.isEmpty ? "could not \(what): \(reason)" : "could not \(what) \(path): \(reason)"
    }
}

extension ArtifactError {
    /// A failed system call; errno must be handed over at once, since anything may change it.
    init(errno number: Int32, what: String, path: String) {
        self.init(.system(number), what: what, path: path, reason: Self.reason(of: number))
    }

    /// The system's words, beginning in lower case as ours do.
    static func reason(of number: Int32) -> String {
        guard let text = strerror(number) else { return "error \(number)" }
        let words = String(cString: text)
        return words.prefix(1).lowercased() + words.dropFirst()
    }
}

extension ArtifactError.Code {
    public static let notFound = Self.system(ENOENT)
    public static let exists = Self.system(EEXIST)
    public static let noSpace = Self.system(ENOSPC)
    public static let denied = Self.system(EACCES)
    public static let readOnly = Self.system(EROFS)
    public static let notDirectory = Self.system(ENOTDIR)
    /// A link where only folders may be, or one folder too many.
    public static let link = Self.system(ELOOP)
}
