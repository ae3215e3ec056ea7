/// What the hook script tells us.
struct Arguments {
    var home = ""
    /// The absolute path of shipit itself; without it nothing is started or followed.
    var program: String?
    /// The hook that was there before ours, which gets the same input after the push is safe.
    var chained: String?
    /// What the chained hook is called with.
    var chainedArguments: [String] = []
    var listsFailpoints = false

    init(parsing words: some Sequence<String>) throws(UsageError) {
        var words = words.makeIterator()
        while let word = words.next() {
            switch word {
            case "--home": home = try Self.path(after: word, words.next())
            case "--program": program = try Self.path(after: word, words.next())
            case "--chained": chained = words.next()
            case "--failpoints": listsFailpoints = true
            case "--": while let rest = words.next() { chainedArguments.append(rest) }
            default: throw UsageError(problem: "unknown argument \(word.debugDescription)")
            }
        }
        guard listsFailpoints || !home.isEmpty else { throw UsageError(problem: "--home is missing") }
    }

    private static func path(after option: String, _ word: String?) throws(UsageError) -> String {
        guard let word, word.hasPrefix("/") else { throw UsageError(problem: "\(option) wants an absolute path") }
        return word
    }
}
