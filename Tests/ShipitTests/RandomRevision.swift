import CLinux
import Foundation
import Glibc

@testable import Shipit

/// A revision and an appspec that nobody would write, made from a seed.
struct RandomRevision {
    /// Odd, and allowed.
    private static let names: [String] = [
        "a", "b.sh", "with space", "-rf", "--", ".hidden", "…", "naïve", "e\u{301}", "*", "[x]", "~", "$HOME",
        "'quote\"",
        "semi;colon", String(repeating: "long", count: 60), "tab\there", "CON", "..x", "...", "#", "%s%n",
    ]
    /// Refused in a list of lines, or in an appspec.
    private static let badNames = ["new\nline", "\u{202E}gnp.exe", "\u{7F}"]

    /// A revision that is to be refused, or may be.
    private var isHostile = false
    private var random: Seeded
    /// What is in the revision: folders, and all else.
    private var folders: [String] = []
    private var files: [String] = []

    init(seed: Int) { random = Seeded(seed: UInt64(seed)) }

    mutating func one<Value>(of values: [Value], or other: Value) -> Value {
        values.randomElement(using: &random) ?? other
    }

    mutating func oneIn(_ count: Int) -> Bool { Int.random(in: 0..<count, using: &random) == 0 }

    /// Of two or three folders' depth, with links of every kind.
    mutating func fill(_ ground: Ground) throws {
        try? FileManager.default.removeItem(atPath: ground.bundle)  // made anew
        mkdir(ground.bundle, 0o755)
        isHostile = oneIn(3)
        folders = [""]
        files = []
        for _ in 0..<Int.random(in: 2...14, using: &random) {
            let name = isHostile && oneIn(12) ? one(of: Self.badNames, or: "a") : one(of: Self.names, or: "a")
            let folder = one(of: folders, or: "")
            let path = folder.isEmpty ? name : "\(folder)/\(name)", place = "\(ground.bundle)/\(path)"
            var status = stat()
            guard lstat(place, &status) != 0 else { continue }
            switch Int.random(in: 0..<(isHostile ? 10 : 8), using: &random) {
            case 0..<3: if mkdir(place, 0o755) == 0 { folders.append(path) }
            case 3:
                let leadsDown = oneIn(2)
                if symlink(leadsDown ? one(of: Self.names, or: "a") : "\(ground.path)/canary/secret", place) == 0 {
                    files.append(path)
                }
            case 8:
                let ways = ["..", ".", "/", "../../canary", "\(ground.path)/canary", "/etc/passwd"]
                symlink(one(of: ways, or: ".."), place)
            case 9: mkfifo(place, 0o644)
            default:
                let modes: [mode_t] = [0o644, 0o755, 0o4755, 0o600, 0o2750]
                try ground.write("\(random.next())", place, mode: one(of: modes, or: 0o644))
                files.append(path)
            }
        }
    }

    private func quoted(_ text: String) -> String {
        let escaped = text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
            .replacing("\t", with: "\\t").replacing("\u{202E}", with: "\\u202E").replacing("\u{7F}", with: "\\x7F")
        return "\"\(escaped)\""
    }

    private mutating func path(of paths: [String]) -> String {
        let odd = ["/", ".", "..", "../../canary", "/../../etc", "./", "//", "/etc/passwd", "", "nowhere"]
        return isHostile && oneIn(3) ? one(of: odd, or: "/") : one(of: paths, or: "nowhere")
    }

    mutating func appspec() -> String {
        var lines = ["files:"]
        let everything = !oneIn(3)
        if everything { lines.append("  - {source: /, destination: /app}") }
        for number in 0..<Int.random(in: everything ? 0...1 : 1...3, using: &random) {
            let source = path(of: files + folders.map { "/\($0)" })
            lines.append(
                "  - {source: \(quoted(source)), destination: \(quoted("/other/\(number)/" + path(of: Self.names)))}")
        }
        var hasPermissions = false
        for _ in 0..<Int.random(in: 0...2, using: &random) {
            if !hasPermissions { lines.append("permissions:") }
            hasPermissions = true
            let object = Bool.random(using: &random) ? "/app" : "/app/" + path(of: files + folders)
            let pattern = one(of: isHostile ? ["**", "*.sh", "a*", "?", "bin/*"] : ["**", "**", "*", "-*"], or: "*")
            let mode = one(
                of: isHostile ? ["644", "888", "77777", "u+x"] : ["644", "0755", "\"4711\"", "7", "000"], or: "644")
            let type = one(
                of: isHostile ? ["[file]", "file", "[link]"] : ["[file]", "[directory]", "[file, directory]"],
                or: "[file]")
            lines.append("  - {object: \(quoted(object)), pattern: \"\(pattern)\", mode: \(mode), type: \(type)}")
        }
        let behaviors = ["DISALLOW", "OVERWRITE", "RETAIN", ""] + (isHostile ? ["overwrite"] : [])
        let behavior = one(of: behaviors, or: "")
        if !behavior.isEmpty { lines.append("file_exists_behavior: \(behavior)") }
        return lines.joined(separator: "\n")
    }
}
