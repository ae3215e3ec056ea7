import Spool

/// A system call that said no.
struct SystemError: Error, CustomStringConvertible {
    /// Completes "could not …".
    let operation: String
    let code: Int32

    var description: String { "could not \(operation): \(SpoolError.reason(of: code))" }
}
