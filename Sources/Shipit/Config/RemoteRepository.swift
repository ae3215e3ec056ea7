/// A repository elsewhere, as git names it: a URL, or `git@host:path` for ssh.
public struct RemoteRepository: Hashable, Sendable {
    /// Never with a password in it.
    public let url: String
    /// Where it is, for people: the host, or the path of a `file://` URL.
    public let place: String

    /// Why a text that looks like a URL is refused; never the text itself, which may hold a password.
    struct Fault: Error, Hashable {
        let what: String
    }

    static let schemes = ["https", "http", "ssh", "git", "file"]
    /// The variable with which git allows these and no other, whatever its configuration says.
    static let allowedProtocols = ["GIT_ALLOW_PROTOCOL": schemes.joined(separator: ":")]

    /// Nil when the text is no URL but a path.
    init?(_ text: String) throws(Fault) {
        guard Self.isRemote(text) else { return nil }
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), text.utf8.count <= 2048 else {
            throw Fault(what: "a URL has no blanks and no other than ASCII characters")
        }
        url = text
        guard let mark = text.firstRange(of: "://") else {
            place = try Self.host(ofShort: text)
            return
        }
        let scheme = String(text[..<mark.lowerBound])
        guard Self.schemes.contains(scheme) else {
            throw Fault(what: "a URL begins with \(Self.schemes.map { "\($0)://" }.joined(separator: ", "))")
        }
        let rest = text[mark.upperBound...]
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        let path = rest[slash...]
        guard path.count > 1 else { throw Fault(what: "the URL names no repository") }
        let authority = rest[..<slash]
        if scheme == "file" {
            guard authority.isEmpty else { throw Fault(what: "a file URL has three slashes: file:///srv/git/blog.git") }
            place = String(path)
            return
        }
        if let at = authority.lastIndex(of: "@") {
            try Self.check(user: authority[..<at], isWeb: scheme.hasPrefix("http"))
        }
        let server = authority.split(separator: "@", omittingEmptySubsequences: false).last ?? authority
        place = try Self.host(server, hasPort: true)
    }

    /// A scheme, or a colon before the first slash, as git itself decides it.
    static func isRemote(_ text: String) -> Bool {
        if text.contains("://") { return true }
        guard let colon = text.firstIndex(of: ":"), colon != text.startIndex else { return false }
        return !text[..<colon].contains("/")
    }

    private static func host(ofShort text: String) throws(Fault) -> String {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[1].isEmpty, !parts[1].hasPrefix(":"), !parts[1].hasPrefix("-") else {
            throw Fault(what: "an ssh address is USER@HOST:PATH")
        }
        let pieces = parts[0].split(separator: "@", omittingEmptySubsequences: false)
        guard pieces.count <= 2, !parts[0].hasPrefix("-") else { throw Fault(what: "an ssh address is USER@HOST:PATH") }
        // NAME:PASSWORD@HOST without a scheme.
        guard !parts[1].contains("@") else { throw Self.password }
        return try host(pieces.last ?? "", hasPort: false)
    }

    private static func host(_ server: Substring, hasPort: Bool) throws(Fault) -> String {
        var name = server
        if hasPort, let colon = server.lastIndex(of: ":"), !server.hasSuffix("]") {
            let port = server[server.index(after: colon)...]
            guard let number = UInt16(port), number > 0 else {
                throw Fault(what: "the URL's port is a number up to 65535")
            }
            name = server[..<colon]
        }
        let isPlain = name.utf8.allSatisfy { byte in
            byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
                || byte == UInt8(ascii: ":") || byte == UInt8(ascii: "[") || byte == UInt8(ascii: "]")
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
        }
        // ssh would take it for an option.
        guard !name.isEmpty, !name.hasPrefix("-"), isPlain else { throw Fault(what: "the URL names no host") }
        return String(name)
    }

    private static let password = Fault(
        what: "a policy holds no password; use an ssh key, or git's credential store: "
            + "git config --global credential.helper store")

    private static let tokens = [
        "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "gldt-", "oauth2", "x-access-token",
        "x-token-auth",
    ]

    /// What forges call a token often stands where the user's name does.
    private static func check(user: Substring, isWeb: Bool) throws(Fault) {
        if user.contains(":") || user.contains("@") || user.contains("%") { throw password }
        guard !user.isEmpty, !user.hasPrefix("-") else { throw Fault(what: "the URL's user has no name") }
        if isWeb, user.count > 39 || tokens.contains(where: { user.hasPrefix($0) }) { throw password }
    }
}

extension Pipeline {
    /// Whether a text is taken for a URL rather than for a path.
    public static func isRemote(_ repository: String) -> Bool { RemoteRepository.isRemote(repository) }

    /// Where revisions come from when that is not a folder of this machine.
    public var remote: RemoteRepository? {
        // What cannot be read as one was refused with the policy.
        try? RemoteRepository(repository)
    }

    /// The repository on this machine: the one that the policy names, or the mirror of what it names.
    public func repositoryPath(in home: Home) -> String { remote == nil ? repository : home.mirror(app) }
}

extension YAMLReader {
    /// The path of a repository on this machine, or the URL of another.
    func repository(_ node: Node) -> String? {
        guard let text = text(node, of: "repository") else { return nil }
        do {
            if let remote = try RemoteRepository(text) { return remote.url }
        } catch {
            self.error(node, "repository cannot be this: \(error.what)")
            return nil
        }
        return absolutePath(node, of: "repository")
    }

    func fetchInterval(_ node: Node, isRemote: Bool) -> Duration? {
        guard let interval = duration(node, of: "fetch") else { return nil }
        if interval < .seconds(10) { error(node, "fetch wants at least 10s, so that the other side is not bothered") }
        if interval > .seconds(86_400) { error(node, "fetch wants at most 1d") }
        if !isRemote { error(node, "fetch is for a repository that is named by its URL; this one is a folder") }
        return interval
    }
}
