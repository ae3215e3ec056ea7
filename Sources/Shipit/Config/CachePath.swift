/// A file, a folder or a pattern that a build wants back next time: below its source, or below its home.
public struct CachePath: Hashable, Sendable {
    public enum Place: String, Hashable, Sendable, Codable {
        case source, home
    }

    /// What is wrong with a path, to be put after it.
    enum Fault: Error, Hashable {
        /// AWS would keep it; here the build has no such place.
        case elsewhere
        case wrong(String)
    }

    public let place: Place
    /// A folder stands for everything in it: `node_modules/**/*` is `node_modules`.
    public let pattern: Glob
    /// As the buildspec has it.
    public let written: String

    /// How a buildspec names the two places; the absolute ones are what an enclosed build sees.
    private static let prefixes: [(String, Place)] = [
        ("~/", .home), ("$HOME/", .home), ("${HOME}/", .home), ("\(Sandbox.home)/", .home),
        ("$CODEBUILD_SRC_DIR/", .source), ("${CODEBUILD_SRC_DIR}/", .source), ("\(Sandbox.source)/", .source),
    ]

    init(_ written: String) throws(Fault) {
        self.written = written
        var rest = written[...]
        var place = Place.source
        if let (prefix, named) = Self.prefixes.first(where: { written.hasPrefix($0.0) }) {
            rest = rest.dropFirst(prefix.count)
            place = named
        } else if written.hasPrefix("/") || written.hasPrefix("~") || written.hasPrefix("$") {
            throw .elsewhere
        }
        self.place = place
        var parts = rest.split(separator: "/").filter { $0 != "." }
        guard !parts.contains("..") else { throw .wrong("must not climb with ..") }
        if parts.last == "*", parts.dropLast().last == "**" { parts.removeLast() }
        if parts.last == "**" { parts.removeLast() }
        if parts.isEmpty, place == .home { parts = ["*"] }
        guard parts.contains(where: { $0 != "*" && $0 != "**" }) || place == .home else {
            throw .wrong("is the whole source; build: { workspace: patched } in pipeline.yml keeps that")
        }
        pattern = Glob(parts.joined(separator: "/"))
    }

    /// The folders above the first part that has a wildcard; all of it for a plain path.
    var base: [Substring] {
        pattern.pattern.split(separator: "/").prefix { !$0.contains("*") && !$0.contains("?") }.map(\.self)
    }

    var isPlain: Bool { base.count == pattern.pattern.split(separator: "/").count }
}
