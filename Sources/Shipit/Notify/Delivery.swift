import Crypto
import FoundationEssentials
import GitKit
import Glibc
import Synchronization

/// Tells one destination one notice, once, within its time.
///
/// Webhooks go by way of the program curl: it brings TLS and the machine's certificates, both of which this program
/// would have to link and to keep up to date for the sake of this alone. What it is told comes on its standard input, so
/// that no address and no secret stands in an argument.
struct Delivery: Sendable {
    let destination: Destination
    let home: Home
    let app: String
    /// Those of `shipit env set notify`.
    let secrets: EnvironmentFile

    enum Answer: Hashable, Sendable {
        /// Taken, and what it said.
        case taken(String)
        /// Not taken, and why: to be tried again.
        case refused(String)
    }

    /// In the environment of every process that tells somebody something, followed by a dot and what is its own: one that
    /// takes too long is ended without the others.
    static func mark(_ home: Home) -> String { "notify-\(home.path)" }

    func send(_ notice: Notice) async throws -> Answer {
        do {
            switch destination.channel {
            case .command(let words): return try await run(words, notice)
            case .webhook(let address): return try await post(notice, to: address)
            case .mail(let addresses): return try await mail(notice, to: addresses)
            }
        } catch let error as ShipitError {
            return .refused(shown(error.message))
        }
    }

    /// One line in which no secret of notifications and no address stands.
    private func shown(_ text: String) -> String {
        var hidden = secrets.secrets
        if case .webhook(.url(let url)) = destination.channel {
            let path = url.dropFirst(Destination.host(url).count)
            hidden += [url, String(path)].filter { $0.utf8.count > 8 }
        }
        return visibleLine(String(Masker(secrets: hidden).masked(text).prefix(300)))
    }

    // MARK: Commands

    private func run(_ words: [String], _ notice: Notice) async throws -> Answer {
        var variables = [
            "SHIPIT_EVENT": notice.kind, "SHIPIT_TOPIC": notice.topic?.rawValue ?? "", "SHIPIT_APP": notice.app,
            "SHIPIT_RUN": notice.run.map { "\($0)" } ?? "", "SHIPIT_ENVIRONMENT": notice.environment ?? "",
            "SHIPIT_REVISION": notice.revision?.hex ?? "", "SHIPIT_HOME": home.path,
        ]
        variables["SHIPIT_TEXT"] = notice.sentence
        let program = try Self.program(words[0])
        let (outcome, said) = try await start(
            program, Array(words.dropFirst()), input: try notice.body(destination.format) + "\n", variables)
        return answer(outcome, said, of: words[0].split(separator: "/").last.map(String.init) ?? words[0])
    }

    private func mail(_ notice: Notice, to addresses: [String]) async throws -> Answer {
        guard let program = Self.sendmail else { return .refused("there is no /usr/sbin/sendmail on this machine") }
        let message = try notice.mail(to: addresses, destination.format)
        let (outcome, said) = try await start(program, ["-t", "-i"], input: message, [:])
        return answer(outcome, said, of: "sendmail")
    }

    /// Where every program that stands in for sendmail puts it.
    static var sendmail: String? {
        let places: [String] = ["/usr/sbin/sendmail", "/usr/lib/sendmail"]
        return places.first { access($0, X_OK) == 0 }
    }

    private func answer(_ outcome: Outcome, _ said: Said, of program: String) -> Answer {
        if outcome.stopped == .timedOut { return .refused("\(program) took longer than \(destination.timeout.spoken)") }
        guard outcome.exit.isSuccess, outcome.stopped == nil else {
            let last = said.text.split(whereSeparator: \.isNewline).last.map { ": \($0)" } ?? ""
            return .refused(shown("\(program) ended with \(outcome.exit)\(last)"))
        }
        return .taken("\(program) ended well")
    }

    // MARK: Webhooks

    private func post(_ notice: Notice, to address: Destination.Address) async throws -> Answer {
        let url: String
        switch address {
        case .url(let text): url = text
        case .secret(let name): url = try secret(name)
        }
        guard YAMLReader.isWebAddress(url) else { return .refused("its address is not http://… or https://…") }
        let body = try notice.body(destination.format)
        var headers = [
            "Content-Type": destination.format == .text ? "text/plain; charset=utf-8" : "application/json",
            "User-Agent": "shipit/\(Versions.shipit)", "X-Shipit-Event": notice.kind,
            "X-Shipit-Delivery": "\(app)/\(notice.id)", "Expect": "",
        ]
        if let name = destination.secret {
            headers["X-Shipit-Signature"] = Self.signature(of: body, key: try secret(name), at: .now)
        }
        let seconds = max(1, Int(destination.timeout.inSeconds.rounded(.up)))
        let configuration = Self.configuration(
            [
                ("url", url), ("request", "POST"), ("proto", "=http,https"), ("max-time", "\(seconds)"),
                ("max-redirs", "0"), ("max-filesize", "1048576"), ("noproxy", "*"), ("data-raw", body),
                ("write-out", "\n%{http_code}"),
            ]
                + headers.sorted { $0.key < $1.key }.map {
                    ("header", "\($0.key):\($0.value.isEmpty ? "" : " ")\($0.value)")
                },
            flags: ["silent", "show-error", "globoff"])
        let (outcome, said) = try await start(
            try Self.program("curl"), ["--disable", "--config", "-"], input: configuration, [:], grace: .seconds(5))
        return answer(outcome, said, Destination.host(url))
    }

    private func answer(_ outcome: Outcome, _ said: Said, _ host: String) -> Answer {
        let code = said.end.split(separator: "\n").last.flatMap { Int($0) }
        // Whatever became of what it went on to say: who took it must not get it again and again.
        if let code, (200..<300).contains(code), outcome.stopped == nil { return .taken("\(host) answered \(code)") }
        if outcome.stopped == .timedOut || outcome.exit == .code(28) {
            return .refused("\(host) did not answer within \(destination.timeout.spoken)")
        }
        guard outcome.exit.isSuccess else {
            let lines = said.text.split(whereSeparator: \.isNewline)
            let line = lines.last { $0.hasPrefix("curl: (") }.map(String.init) ?? "curl ended with \(outcome.exit)"
            let words = line.firstRange(of: ") ").map { String(line[$0.upperBound...]) } ?? line
            return .refused(shown("could not reach \(host): \(words.lowercasedFirst)"))
        }
        guard let code else { return .refused("curl did not say what \(host) answered") }
        let first = shown(said.text.split(whereSeparator: \.isNewline).first.map(String.init) ?? "")
        let more = first.isEmpty || first == "\(code)" ? "" : ": \(first.prefix(100))"
        let redirect = (300..<400).contains(code) ? ", and redirects are not followed" : ""
        return .refused(shown("\(host) answered \(code)\(redirect)\(more)"))
    }

    /// `t=SECONDS,sha256=HEX` of HMAC-SHA256 over the seconds, a dot and the body.
    static func signature(of body: String, key: String, at time: Timestamp) -> String {
        let seconds = time.milliseconds / 1000
        let code = HMAC<SHA256>.authenticationCode(
            for: Data("\(seconds).\(body)".utf8), using: SymmetricKey(data: Data(key.utf8)))
        let digits = Array("0123456789abcdef".utf8)
        let hex = code.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return "t=\(seconds),sha256=\(String(decoding: hex, as: UTF8.self))"
    }

    /// curl's own language, where a value in quotes has no other escapes than these.
    private static func configuration(_ values: [(String, String)], flags: [String]) -> String {
        func quoted(_ text: String) -> String {
            text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
                .replacing("\r", with: "\\r").replacing("\t", with: "\\t")
        }
        return flags.map { "\($0)\n" }.joined() + values.map { "\($0.0) = \"\(quoted($0.1))\"\n" }.joined()
    }

    // MARK: Programs

    private func secret(_ name: String) throws -> String {
        guard let entry = secrets.entries.first(where: { $0.name == name }), !entry.value.isEmpty else {
            throw ShipitError(
                .configuration,
                "nothing sets \(name): printf %s \"$VALUE\" | shipit env set notify --secret \(name) --app \(app)")
        }
        return entry.value
    }

    private static func program(_ name: String) throws -> String {
        let path = name.hasPrefix("/") ? (access(name, X_OK) == 0 ? name : nil) : Command.find(name)
        guard let path else { throw ShipitError(.failure, "there is no program \(name)") }
        return path
    }

    private func start(
        _ program: String, _ arguments: [String], input: String, _ variables: [String: String],
        grace: Duration = .zero
    ) async throws -> (Outcome, Said) {
        var environment = Command.plainEnvironment
        environment["HOME"] = User.named(by: geteuid())?.home ?? "/"
        environment.merge(variables) { $1 }
        let command = Command(
            program, arguments, environment: environment,
            mark: "\(Self.mark(home)).\(UInt64.random(in: 0...UInt64.max))")
        let said = Said()
        // In memory alone: a pipe could fill up before anybody reads it, and a file would be left on a disk.
        let outcome = try await Program.run(
            command, limit: destination.timeout + grace,
            streams: Program.Streams(input: try MemoryFile(Array(input.utf8)).copy())
        ) { said.add($0) }
        if outcome.stopped == .cancelled { throw CancellationError() }
        return (outcome, said)
    }
}

/// The beginning and the end of what a program said: a server may answer for ever.
private final class Said: Sendable {
    private let state = Mutex<(beginning: [UInt8], end: [UInt8])>(([], []))

    func add(_ more: UnsafeRawBufferPointer) {
        state.withLock { state in
            state.beginning += more.prefix(max(0, 4096 - state.beginning.count))
            state.end = Array((state.end + more.suffix(64)).suffix(64))
        }
    }

    var text: String { state.withLock { String(decoding: $0.beginning, as: UTF8.self) } }
    var end: String { state.withLock { String(decoding: $0.end, as: UTF8.self) } }
}
