import Glibc

/// Something that shipit could not do or would not do: facts, and the next step.
public struct ShipitError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Code: String, Hashable, Sendable {
        /// The words of the command are wrong.
        case usage
        /// A configuration file is wrong.
        case configuration
        /// There is nothing to do it with.
        case unavailable
        /// Held, superseded, or somebody else is at it.
        case busy
        /// shipit or the machine could not do it.
        case failure
    }

    public let code: Code
    public let message: String
    public let hint: String?

    public init(_ code: Code, _ message: String, hint: String? = nil) {
        self.code = code
        self.message = message
        self.hint = hint
    }

    public var description: String { hint.map { "\(message)\n  hint: \($0)" } ?? message }

    /// The documented exit status of a command that ends with this error.
    public var exitStatus: Int32 {
        switch code {
        case .usage: 64
        case .configuration: 65
        case .unavailable: 69
        case .busy: 75
        case .failure: 2
        }
    }
}

/// The reason behind the last system call's failure, in words.
func systemReason(_ code: Int32) -> String {
    String(cString: strerror(code)).lowercasedFirst
}

extension String {
    /// `No space left on device` reads as part of a sentence: `no space left on device`.
    /// `FOREIGN KEY` stays as it is.
    var lowercasedFirst: String {
        dropFirst().first?.isUppercase == true ? self : prefix(1).lowercased() + dropFirst()
    }
}
