import ArtifactKit

/// Who is told what happens, and of what: one entry of `notify:`.
public struct Destination: Hashable, Sendable {
    public enum Channel: Hashable, Sendable {
        /// The event on standard input.
        case command([String])
        /// An http or https address, or the name of a secret that is one.
        case webhook(Address)
        /// By `sendmail -t -i`.
        case mail([String])
    }

    public enum Address: Hashable, Sendable {
        case url(String)
        case secret(String)
    }

    public enum Format: String, Hashable, Sendable, CaseIterable {
        /// The event with all its facts.
        case json
        /// `{"text": …}`, which Slack and what imitates it take.
        case slack
        /// A message for people.
        case text
    }

    /// What people want to be told, in their words.
    public enum Topic: String, Hashable, Sendable, CaseIterable {
        case started, built, waiting, live, failed, cancelled, superseded, held, lifted, ignored
        case rolledBack = "rolled-back"

        public static let usual: Set<Topic> = [.waiting, .live, .failed, .rolledBack, .cancelled, .held, .lifted]
    }

    public var channel: Channel
    public var format: Format
    public var topics: Set<Topic> = Topic.usual
    /// Of event kinds, such as `job.*`; `**` for every event.
    public var kinds: [Glob] = []
    /// Empty: all, and what belongs to none.
    public var environments: [String] = []
    /// The secret that signs what is sent.
    public var secret: String?
    public var timeout: Duration = .seconds(10)

    /// As people call it. An address tells its host alone: the rest of one is often all that a sender needs.
    public var name: String {
        switch channel {
        case .command(let words): "command \(words[0])"
        case .webhook(.url(let url)): "webhook \(Self.host(url))"
        case .webhook(.secret(let name)): "webhook \(name)"
        case .mail(let addresses): "mail to \(addresses.joined(separator: ", "))"
        }
    }

    static func host(_ url: String) -> String {
        guard let scheme = url.firstRange(of: "://") else { return url }
        let rest = url[scheme.upperBound...].prefix { !"/?#".contains($0) }
        return url[..<scheme.upperBound] + (rest.split(separator: "@").last.map(String.init) ?? "")
    }

    /// Another one begins anew: with what happens from then on.
    public var digest: String {
        var words: [String] = [format.rawValue, secret ?? ""]
        switch channel {
        case .command(let argv): words += ["command"] + argv
        case .webhook(.url(let url)): words += ["webhook", url]
        case .webhook(.secret(let name)): words += ["webhook secret", name]
        case .mail(let addresses): words += ["mail"] + addresses
        }
        words += ["on"] + topics.map(\.rawValue).sorted() + kinds.map(\.pattern) + ["in"] + environments
        // The length before each: no two lists have one text.
        return Digest.of(Array(words.map { "\($0.utf8.count):\($0)" }.joined().utf8)).description
    }

    func wants(_ notice: Notice) -> Bool {
        guard topics.contains(where: { $0 == notice.topic }) || kinds.contains(where: { $0.matches(notice.kind) })
        else { return false }
        return environments.isEmpty || environments.contains(notice.place ?? "")
    }
}

extension YAMLReader {
    func destinations(_ node: Node) -> [Destination] {
        var seen: Set<String> = []
        return list(node, of: "notify").compactMap { entry in
            guard let destination = destination(entry) else { return nil }
            if !seen.insert(destination.digest).inserted { error(entry, "this destination stands twice") }
            return destination
        }
    }

    private func destination(_ node: Node) -> Destination? {
        let channels = ["command", "webhook", "mail"]
        let keys = mapping(
            node, of: "an entry of notify",
            keys: channels + ["format", "on", "environments", "secret", "timeout"])
        let chosen = channels.filter { keys[$0] != nil }
        guard chosen.count == 1, let what = keys[chosen[0]] else {
            error(node, "an entry of notify wants one of command:, webhook: and mail:")
            return nil
        }
        guard let channel = channel(chosen[0], what) else { return nil }
        var destination = Destination(channel: channel, format: chosen[0] == "mail" ? .text : .json)
        if let node = keys["format"], let format = choice(node, of: "format", Destination.Format.self) {
            destination.format = format
            if chosen[0] == "mail", format == .slack { error(node, "a mail has format: text or json, found \"slack\"") }
        }
        if let node = keys["on"] { (destination.topics, destination.kinds) = subjects(node) }
        if let node = keys["environments"] { destination.environments = texts(node, of: "environments") }
        if let node = keys["secret"], let name = text(node, of: "secret") {
            if !EnvironmentFile.isName(name) {
                error(node, "secret wants a name of shipit env set notify --secret NAME, not the secret itself")
            } else if chosen[0] != "webhook" {
                error(node, "secret signs what is sent to a webhook; a \(chosen[0]) is not signed")
            }
            destination.secret = name
        }
        if let node = keys["timeout"], let limit = duration(node, of: "timeout") {
            destination.timeout = limit
            if limit > .seconds(300) { error(node, "timeout wants at most 5m, found \(limit.spoken)") }
        }
        return destination
    }

    private func channel(_ word: String, _ node: Node) -> Destination.Channel? {
        switch word {
        case "command":
            let words = program(node, of: "command")
            return words.isEmpty ? nil : .command(words)
        case "webhook":
            guard let url = text(node, of: "webhook") else { return nil }
            if url.hasPrefix("secret:") {
                let name = String(url.dropFirst("secret:".count))
                if EnvironmentFile.isName(name) { return .webhook(.secret(name)) }
            } else if Self.isWebAddress(url) {
                return .webhook(.url(url))
            }
            error(node, "webhook wants http://… or https://…, or secret:NAME of shipit env set notify --secret NAME")
            return nil
        default:
            let addresses = texts(node, of: "mail")
            if addresses.isEmpty { error(node, "mail wants at least one address") }
            for address in addresses where !Self.isMailAddress(address) {
                error(node, "mail wants addresses such as team@example.org, found \"\(address)\"")
            }
            return addresses.isEmpty ? nil : .mail(addresses)
        }
    }

    static func isWebAddress(_ url: String) -> Bool {
        guard url.hasPrefix("https://") || url.hasPrefix("http://"), url.utf8.count <= 2000,
            url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") && $0 != UInt8(ascii: "\"") })
        else { return false }
        return Destination.host(url).split(separator: "/").count == 2
    }

    private static func isMailAddress(_ text: String) -> Bool {
        guard let first = text.first, first.isLetter || first.isNumber, text.utf8.count <= 254 else { return false }
        return text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !",;:<>()[]\\\"".utf8.contains($0) }
    }

    private func subjects(_ node: Node) -> (Set<Destination.Topic>, [Glob]) {
        var (topics, kinds): (Set<Destination.Topic>, [Glob]) = ([], [])
        let known = Destination.Topic.allCases.map(\.rawValue) + ["all"]
        for entry in list(node, of: "on") {
            guard let word = text(entry, of: "an entry of on") else { continue }
            if let topic = Destination.Topic(rawValue: word) {
                topics.insert(topic)
            } else if word == "all" {
                kinds.append(Glob("**"))
            } else if word.contains(".") {
                let glob = Glob(word)
                if Event.Kind.allCases.contains(where: { glob.matches($0.rawValue) }) {
                    kinds.append(glob)
                } else {
                    let meant = suggestion(for: word, among: Event.Kind.allCases.map(\.rawValue))
                    error(entry, "no event is called \"\(word)\"\(meant.map { ", did you mean \"\($0)\"?" } ?? "")")
                }
            } else {
                let meant = suggestion(for: word, among: known).map { ", did you mean \"\($0)\"?" }
                error(
                    entry,
                    "on knows no \"\(word)\"\(meant ?? ", expected one of \(known.sorted().joined(separator: ", ")), or a kind of event such as job.*")"
                )
            }
        }
        if case .sequence(let entries) = node, entries.nodes.isEmpty {
            error(node, "on wants at least one entry, such as failed")
        }
        return (topics, kinds)
    }
}
