/// A call that the hook script cannot have made.
struct UsageError: Error, CustomStringConvertible {
    let problem: String

    var description: String {
        """
        \(problem)
        usage: shipit-receive --home HOME [--program PROGRAM] [--chained HOOK [-- ARGUMENT…]]
               shipit-receive --failpoints
        """
    }
}
