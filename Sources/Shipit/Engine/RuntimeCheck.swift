/// Compares the versions of languages that a buildspec wants with those that are installed.
enum RuntimeCheck {
    enum Verdict: Hashable {
        case matches(String)
        case differs(String)
    }

    /// Each line is a name and what the language says of its version.
    static func parse(_ bytes: [UInt8]) -> [String: String] {
        var found: [String: String] = [:]
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 1)
            guard words.count == 2, let version = version(in: words[1]) else { continue }
            found[String(words[0])] = version
        }
        return found
    }

    static func judge(_ runtime: Buildspec.Runtime, _ found: [String: String]) -> Verdict {
        let wanted = "\(runtime.name) \(runtime.version)"
        guard known.contains(runtime.name) else {
            let meant = suggestion(for: runtime.name, among: known).map { ", did you mean \($0)?" } ?? ""
            return .differs("\(wanted) is not known here\(meant)")
        }
        guard let version = found[runtime.name] else { return .differs("\(wanted) is wanted, and none is installed") }
        if isMatch(runtime.version, version) { return .matches(version) }
        return .differs("\(wanted) is wanted, and \(version) is installed")
    }

    private static let known = ["nodejs", "python", "java", "golang", "ruby", "php", "dotnet", "docker"]

    /// The first number with points in it or behind it: 17.0.2, 1.21.
    private static func version(in text: Substring) -> String? {
        guard let start = text.firstIndex(where: { $0.isASCII && $0.isNumber }) else { return nil }
        let number = text[start...].prefix { $0.isASCII && $0.isNumber || $0 == "." }
        let version = number.split(separator: ".").joined(separator: ".")
        // Java was 1.8 before it was 9.
        return version.hasPrefix("1.8.") && text.contains("version \"1.8") ? String(version.dropFirst(2)) : version
    }

    /// `18`, `3.x`, `3.11`, `latest` and `corretto17`: as many numbers as are written have to agree.
    private static func isMatch(_ wanted: String, _ found: String) -> Bool {
        let word = wanted.lowercased()
        if word == "latest" { return true }
        let number = word.drop { !($0.isASCII && $0.isNumber) }
        if number.isEmpty { return false }
        let have = found.split(separator: ".")
        for (index, part) in number.split(separator: ".").enumerated() {
            if part == "x" || part == "*" { return true }
            guard index < have.count else { return part == "0" }
            if Int(part) != Int(have[index]) { return false }
        }
        return true
    }
}

extension Buildspec.Runtime {
    /// With the variable's value in the place of `$NAME`.
    func resolved(_ variables: [String: String]) -> Buildspec.Runtime {
        guard version.hasPrefix("$") else { return self }
        let name = version.dropFirst().filter { $0 != "{" && $0 != "}" }
        return Buildspec.Runtime(name: self.name, version: variables[name] ?? version)
    }
}
