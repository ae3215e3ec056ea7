internal import CLibgit2
internal import Glibc

extension GitError {
    /// Reads libgit2's last message, which belongs to this thread, so call it right after the call that failed.
    init(libgit2 result: Int32, operation: String) {
        let last = git_error_last()
        let message = last?.pointee.message.map { text in
            String(neutralising: UnsafeRawBufferPointer(start: text, count: strlen(text)))
        }
        self.init(
            code: Self.code(of: result, category: last?.pointee.klass, message: message ?? ""),
            operation: operation,
            reason: message ?? "libgit2 answered \(result)")
    }

    init(errno number: Int32, operation: String, hint: String? = nil) {
        let code: Code =
            switch number {
            case ENOENT, ENOTDIR: .notFound
            case EEXIST: .exists
            case ENOSPC, EDQUOT: .noSpace
            default: .other
            }
        let text = strerror(number).map { String(cString: $0) } ?? "error \(number)"
        self.init(
            code: code, operation: operation, reason: text.prefix(1).lowercased() + text.dropFirst(), hint: hint)
    }

    private static func code(of result: Int32, category: Int32?, message: String) -> Code {
        switch result {
        case GIT_ENOTFOUND.rawValue: return .notFound
        case GIT_EAMBIGUOUS.rawValue: return .ambiguous
        case GIT_EEXISTS.rawValue: return .exists
        case GIT_EOWNER.rawValue: return .notOwned
        case GIT_EINVALIDSPEC.rawValue, GIT_EINVALID.rawValue, GIT_EPEEL.rawValue: return .invalid
        case GIT_ELOCKED.rawValue: return .locked
        case GIT_EMISMATCH.rawValue: return .corrupt
        default: break
        }
        // libgit2 appends strerror's text and gives no number.
        if message.hasSuffix("No space left on device") || message.hasSuffix("Disk quota exceeded") { return .noSpace }
        if message.hasPrefix("corrupt") { return .corrupt }
        switch category {
        case Int32(GIT_ERROR_ZLIB.rawValue), Int32(GIT_ERROR_OBJECT.rawValue): return .corrupt
        default: return .other
        }
    }
}

/// Calls libgit2 and turns a negative answer into a `GitError`; other answers are handed back.
@discardableResult
func check(_ operation: @autoclosure () -> String, _ call: () -> Int32) throws -> Int32 {
    let result = call()
    guard result >= 0 else { throw GitError(libgit2: result, operation: operation()) }
    return result
}
