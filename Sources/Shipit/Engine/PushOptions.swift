import Spool

/// What a pusher asks for with `git push -o`.
struct PushOptions: Hashable, Sendable {
    enum Word: String, CaseIterable {
        case wait, detach, skip, to, promote, reason
        case variable = "var"
    }

    var waits = false
    var detaches = false
    var skips = false
    /// Why it is skipped, in the pusher's words.
    var skipReason: String?
    var to: String?
    var promotes = false
    var reason: String?
    var variables: [String: String] = [:]

    /// What was understood, and what is wrong with the rest: then nothing may ship.
    private(set) var problem: String?

    static let textLimit = 4096

    /// `foreign`: the names of options that another hook reads.
    init(_ options: [[UInt8]], foreign: [Glob]) {
        // The hook cuts off what is more.
        if options.count >= Push.maximumOptions { complain("there are more than \(Push.maximumOptions - 1) options") }
        for option in options {
            if option.count >= Push.maximumOptionSize { complain("an option is too long") }
            guard let text = String(validating: option, as: UTF8.self) else {
                complain("the option \(visibleLine(String(decoding: option, as: UTF8.self))) is not UTF-8")
                continue
            }
            let equals = text.firstIndex(of: "=")
            let name = String(text[..<(equals ?? text.endIndex)])
            let value = equals.map { String(text[text.index(after: $0)...]) }
            if let word = Word(rawValue: name) {
                take(word, value)
            } else if !foreign.contains(where: { $0.matches(name) }) {
                reject(text, name, value)
            }
        }
        findContradictions()
    }

    private mutating func complain(_ what: String) {
        if problem == nil { problem = what }
    }

    /// An option that nobody knows; what was probably meant is taken into the command that is proposed.
    private mutating func reject(_ text: String, _ name: String, _ value: String?) {
        let words = Word.allCases.map(\.rawValue)
        let meant = suggestion(for: name, among: words)
        let expected = meant.map { "did you mean \($0)?" } ?? "expected one of \(words.joined(separator: ", "))"
        complain("unknown option \(visibleLine(text.prefix(60))), \(expected)")
        if let word = meant.flatMap(Word.init(rawValue:)) { take(word, value) }
    }

    private mutating func take(_ word: Word, _ value: String?) {
        switch word {
        case .wait, .detach, .promote:
            if value != nil {
                let instead = word == .promote ? "; to=ENVIRONMENT names one" : ""
                complain("the option \(word.rawValue) takes no value\(instead)")
            }
            if word == .wait { waits = true }
            if word == .detach { detaches = true }
            if word == .promote, value == nil { promotes = true }
        case .skip:
            skips = true
            skipReason = value.map { visibleLine($0.prefix(Self.textLimit)) }
        case .to: set(\.to, word, value)
        case .reason: set(\.reason, word, value.map { visibleLine($0.prefix(Self.textLimit)) })
        case .variable:
            do throws(ShipitError) {
                try RunVariables.add(value ?? "", to: &variables)
            } catch {
                complain(error.message)
            }
        }
    }

    private mutating func set(_ key: WritableKeyPath<PushOptions, String?>, _ word: Word, _ value: String?) {
        guard let value, !value.isEmpty else {
            let what = word == .to ? "ENVIRONMENT" : "TEXT"
            return complain("the option \(word.rawValue) wants a value: \(word.rawValue)=\(what)")
        }
        if let there = self[keyPath: key], there != value {
            complain("the option \(word.rawValue) is given twice, as \(visibleLine(there)) and \(visibleLine(value))")
        }
        self[keyPath: key] = value
    }

    private mutating func findContradictions() {
        if waits, detaches { complain("the options wait and detach contradict each other") }
        if promotes, to != nil { complain("the options promote and to= both say how far the run goes") }
        if skips, to != nil || promotes || !variables.isEmpty || reason != nil {
            complain("the option skip ships nothing, and contradicts the others")
        }
    }

    /// The command that does what was understood, for a reference: `shipit start main --to production`.
    func command(_ name: String, goal: String?, app: String?) -> String {
        var words = ["shipit", "start", name]
        if let app { words += ["--app", app] }
        if let goal = goal ?? to { words += ["--to", goal] }
        if let reason { words += ["--reason", reason] }
        for (name, value) in variables.sorted(by: { $0.key < $1.key }) { words += ["--var", "\(name)=\(value)"] }
        if detaches, !waits { words.append("--detach") }
        return words.map(shellWord).joined(separator: " ")
    }
}

/// The word as it has to be typed.
func shellWord(_ word: String) -> String {
    let isPlain =
        !word.isEmpty
        && word.utf8.allSatisfy { byte in
            UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20 || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
                || "-_./=:,@+%".utf8.contains(byte)
        }
    return isPlain ? word : "'\(visibleLine(word).replacing("'", with: #"'\''"#))'"
}
