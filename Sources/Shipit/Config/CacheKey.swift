import ArtifactKit
import GitKit

/// The name under which a build keeps its files: text, `$NAME`, and `$(codebuild-hash-files FILE…)`.
public struct CacheKey: Hashable, Sendable {
    private enum Part: Hashable {
        case text(String)
        case variable(String)
        case hash([Glob])
    }

    private var parts: [Part] = []

    /// What else a shell would expand is refused; gives the part that is not understood.
    struct NotUnderstood: Error { let part: String }

    init(_ text: String) throws(NotUnderstood) {
        var rest = text[...]
        while let sign = rest.firstIndex(where: { $0 == "$" || $0 == "`" }) {
            add(.text(String(rest[..<sign])))
            rest = rest[sign...]
            if rest.hasPrefix("$(") {
                guard let end = rest.firstIndex(of: ")"), let files = Self.files(rest[..<end].dropFirst(2)) else {
                    throw NotUnderstood(part: String(rest))
                }
                add(.hash(files))
                rest = rest[end...].dropFirst()
            } else if let (name, length) = Self.variable(rest) {
                add(.variable(name))
                rest = rest.dropFirst(length)
            } else {
                throw NotUnderstood(part: String(rest))
            }
        }
        add(.text(String(rest)))
    }

    private mutating func add(_ part: Part) {
        if part != .text("") { parts.append(part) }
    }

    private static func files(_ command: Substring) -> [Glob]? {
        let words = command.split(separator: " ").map { word -> Substring in
            word.count > 1 && (word.first == "'" || word.first == "\"") && word.last == word.first
                ? word.dropFirst().dropLast() : word
        }
        guard words.count > 1, words[0] == "codebuild-hash-files" else { return nil }
        let names = words.dropFirst().map { $0.hasPrefix("./") ? $0.dropFirst(2) : $0 }
        let isPlain = names.allSatisfy { name in !name.isEmpty && !name.contains(where: { "'\"`$\\;|&<>".contains($0) })
        }
        return isPlain ? names.map { Glob(String($0)) } : nil
    }

    private static func variable(_ text: Substring) -> (name: String, length: Int)? {
        let isBraced = text.hasPrefix("${")
        let name = String(
            text.dropFirst(isBraced ? 2 : 1).prefix { $0 == "_" || $0.isASCII && ($0.isLetter || $0.isNumber) })
        guard EnvironmentFile.isName(name) else { return nil }
        guard isBraced else { return (name, name.count + 1) }
        return text.dropFirst(name.count + 2).first == "}" ? (name, name.count + 3) : nil
    }

    /// The key of a build of this tree. A hash is made from the ids that git has for the files, so nothing is read, and a
    /// file that the build changes does not change it.
    ///
    /// `missing` hears of patterns that no file matches.
    func text(_ entries: [TreeEntry], _ variables: [String: String], missing: (Glob) -> Void) -> String {
        parts.map { part in
            switch part {
            case .text(let text): text
            case .variable(let name): variables[name] ?? ""
            case .hash(let globs): Self.hash(of: globs, entries, missing)
            }
        }.joined()
    }

    private static func hash(of globs: [Glob], _ entries: [TreeEntry], _ missing: (Glob) -> Void) -> String {
        let files = entries.filter { $0.kind == .file || $0.kind == .executable }
        var bytes: [UInt8] = []
        for file in files where globs.contains(where: { $0.matches(file.path) }) {
            bytes += file.path + [0] + Array(file.id.hex.utf8) + [0]
        }
        for glob in globs where !files.contains(where: { glob.matches($0.path) }) { missing(glob) }
        return Digest.of(bytes).description
    }
}
