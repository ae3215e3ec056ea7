import Foundation
import Glibc
import GRDB
import Synchronization
import Testing

@testable import Shipit

/// A server on the loopback that takes whole requests and answers each as it is told.
final class HookServer: Sendable {
    struct Request: Sendable {
        let head: String
        let body: String

        var json: [String: Any] { (try? JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any]) ?? [:] }
        var topic: String? { json["topic"] as? String }

        func header(_ name: String) -> String? {
            head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("\(name.lowercased()):") }
                .map { $0.drop { $0 != ":" }.dropFirst().trimmingCharacters(in: .whitespaces) }
        }
    }

    let port: UInt16
    private let listener: Int32
    private let taken = Mutex<[Request]>([])

    /// `answer` gets the number of the request, from 0, and what it was; nil: nothing is ever answered.
    init(_ answer: @escaping @Sendable (Int, Request) -> String? = { _, _ in HookServer.ok }) throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(listener, $0, length)
                listen(listener, 16)
                getsockname(listener, $0, &length)
            }
        }
        self.listener = listener
        port = UInt16(bigEndian: address.sin_port)
        try #require(port > 0)
        Thread.detachNewThread { [self] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else {
                    Glibc.close(listener)
                    return
                }
                Thread.detachNewThread { [self] in serve(connection, answer) }
            }
        }
    }

    static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    static let busy = "HTTP/1.1 503 Busy\r\nContent-Length: 12\r\nConnection: close\r\n\r\ncome \u{1B}[31m back"

    var url: String { "http://127.0.0.1:\(port)/hooks/T0P/secretpath" }
    var requests: [Request] { taken.withLock { $0 } }

    func close() { shutdown(listener, Int32(SHUT_RDWR)) }

    private func serve(_ connection: Int32, _ answer: @Sendable (Int, Request) -> String?) {
        defer { Glibc.close(connection) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        func more() -> Bool {
            let count = recv(connection, &buffer, buffer.count, 0)
            if count > 0 { bytes += buffer[..<count] }
            return count > 0
        }
        while bytes.firstRange(of: Array("\r\n\r\n".utf8)) == nil { guard more() else { return } }
        guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else { return }
        let head = String(decoding: bytes[..<end.lowerBound], as: UTF8.self)
        let length = Request(head: head, body: "").header("Content-Length").flatMap { Int($0) } ?? 0
        while bytes.count < end.upperBound + length { guard more() else { return } }
        let request = Request(head: head, body: String(decoding: bytes[end.upperBound...], as: UTF8.self))
        let number = taken.withLock { taken in
            taken.append(request)
            return taken.count - 1
        }
        guard let answer = answer(number, request) else {
            while more() {}
            return
        }
        let words = Array(answer.utf8)
        _ = send(connection, words, words.count, Int32(MSG_NOSIGNAL))
    }
}

@Suite struct NotifyTests {
    private func telling(_ entries: String..., files: [String: String] = ["index.html": "one\n"]) async throws -> World
    {
        let world = try await World(files: files)
        try world.setPolicy(extra: "notify:\n" + entries.map { "  - \($0)\n" }.joined())
        return world
    }

    @Test func `a webhook is told what went live and what waits, with the command that moves it`() async throws {
        let server = try HookServer()
        defer { server.close() }
        let world = try await telling("webhook: \(server.url)")
        let (revision, _) = try await world.ship([:], "make it <b>blue</b> \u{202E}now")
        try await eventually("both are told") { server.requests.count >= 2 }
        let (live, waiting) = (server.requests[0], server.requests[1])
        #expect(server.requests.map(\.topic) == ["live", "waiting"])
        #expect(live.header("Content-Type") == "application/json" && live.header("X-Shipit-Event") == "job.succeeded")
        #expect(live.json["app"] as? String == "blog" && live.json["environment"] as? String == "staging")
        #expect(live.json["revision"] as? String == revision && live.json["live"] as? String == revision)
        #expect(live.json["previous"] is NSNull && live.json["status"] as? String == "succeeded")
        #expect(live.json["subject"] as? String == #"make it <b>blue</b> \u{202e}now"#)
        #expect(waiting.json["command"] as? String == "shipit promote \(revision.prefix(7)) --to production")
        #expect(waiting.json["environment"] as? String == "production")
        try await world.settled()
        #expect(server.requests.count == 2)
    }

    @Test func `a destination that fails first is told again, in order and without a hole`() async throws {
        let server = try HookServer { number, _ in number < 2 ? HookServer.busy : HookServer.ok }
        defer { server.close() }
        let world = try await telling("webhook: \(server.url)\n    on: [all]")
        try await world.ship()
        try await world.settled()
        let ids = server.requests.compactMap { $0.json["id"] as? Int }
        #expect(ids.count > 4 && ids[0] == ids[1] && ids[1] == ids[2])
        #expect(Array(ids.dropFirst(2)) == Array(Set(ids)).sorted(), "each once after that, in order")
        let state = try #require(try world.installation().ledger.destinations().first)
        #expect(state.failures == 0 && state.reason == nil && state.cursor == ids.last.map(Int64.init))
    }

    @Test func `who said that it took an event does not get it again, whatever it says besides`() async throws {
        let server = try HookServer { number, _ in
            let length = number == 0 ? 3 << 20 : 100
            return "HTTP/1.1 202 Accepted\r\nContent-Length: \(length)\r\nConnection: close\r\n\r\n\(number)"
        }
        defer { server.close() }
        let world = try await telling("webhook: http://127.0.0.1:\(server.port)/[1-3]/{a,b}")
        try await world.ship()
        try await world.settled()
        #expect(server.requests.map(\.topic) == ["live", "waiting"])
        #expect(server.requests.allSatisfy { $0.head.hasPrefix("POST /[1-3]/{a,b} ") })
    }

    @Test func `one that takes too long is ended without the others`() async throws {
        let world = try await telling(
            "command: [sleep, \"300\"]\n    on: [live]\n    timeout: 1s",
            "command: [sh, -c, 'echo begun >>\"$SHIPIT_HOME/said\"; sleep 2; echo ended >>\"$SHIPIT_HOME/said\"']\n    on: [live]"
        )
        try await world.ship()
        try await eventually("the slow one is told") { world.read("\(world.home)/said")?.contains("ended") == true }
        #expect(world.read("\(world.home)/said") == "begun\nended\n")
        let states = try world.installation().ledger.destinations()
        #expect(states.map(\.failures).contains(0) && states.contains { $0.failures > 0 })
    }

    @Test func `one that never answers delays neither a deployment nor another destination`() async throws {
        let silent = try HookServer { _, _ in nil }
        let server = try HookServer()
        defer {
            silent.close()
            server.close()
        }
        let world = try await telling(
            "webhook: \(silent.url)\n    on: [all]\n    timeout: 5m", "webhook: \(server.url)")
        try await world.ship()
        // The first request to the silent one is still open: nothing of what followed waited for it.
        try await eventually("the other one is told all of it") { server.requests.map(\.topic) == ["live", "waiting"] }
        #expect(silent.requests.count == 1 && silent.requests.first?.json["kind"] as? String == "run.created")
        #expect(world.current() == "one\n")
        // A worker that is stopped leaves without an answer.
        let worker = try #require(try world.installation().ledger.lastWorker())
        kill(worker.pid, SIGTERM)
        try await world.settled()
    }

    @Test func `a worker that dies between an answer and its record tells it again`() async throws {
        let server = try HookServer()
        defer { server.close() }
        let world = try await telling("webhook: \(server.url)\n    on: [live]")
        await world.push("-o", "detach", "main", environment: ["SHIPIT_FAILPOINT": "notify-delivered:kill"])
        try await eventually("it is told") { server.requests.count == 1 }
        try await world.settled()
        await world.shipit("work")
        #expect(server.requests.count == 2)
        #expect(server.requests[0].body == server.requests[1].body)
        await world.shipit("work")
        #expect(server.requests.count == 2)
    }

    @Test func `what does not answer is shown, with why and since when, and never its address`() async throws {
        let server = try HookServer { _, _ in HookServer.busy }
        defer { server.close() }
        let world = try await telling("webhook: \(server.url)")
        try await world.ship()
        let ledger = try world.installation().ledger
        try await eventually("it failed") { try ledger.destinations().first?.failingSince != nil }
        let status = await world.shipit("status")
        #expect(
            status.stdout.contains("notify: webhook http://127.0.0.1:\(server.port) does not answer since "),
            "\(status.text)")
        #expect(status.stdout.contains("answered 503: come ^[[31m"))
        let doctor = await world.shipit("doctor")
        #expect(doctor.stdout.contains("was not told anything since"))
        #expect(doctor.stdout.contains("mend: shipit notify test --app blog"))
        let test = await world.shipit("notify", "test")
        #expect(test.status == 1 && test.stdout.contains("failed  webhook http://127.0.0.1:\(server.port): "))
        #expect(server.requests.last?.json["kind"] as? String == "notify.test")
        for text in [status.text, doctor.text, test.text, world.read("\(world.home)/worker.log") ?? ""] {
            #expect(!text.contains("secretpath"))
        }
    }

    @Test func `a hold is told though nothing else is to be done`() async throws {
        let server = try HookServer()
        defer { server.close() }
        let world = try await telling("webhook: \(server.url)\n    environments: [production]")
        try await world.must(world.shipit("hold", "production", "--reason", "the sale"))
        try await world.must(world.shipit("hold", "staging", "--reason", "nobody wants to know"))
        try await eventually("it is told") { server.requests.count == 1 }
        #expect(server.requests[0].topic == "held" && server.requests[0].json["environment"] as? String == "production")
        try await world.settled()
        try await world.must(world.shipit("unhold", "production"))
        try await eventually("that too") { server.requests.count == 2 }
        #expect(server.requests[1].topic == "lifted")
    }

    @Test func `a new destination is told what happens from now on, and not the history`() async throws {
        let server = try HookServer()
        defer { server.close() }
        let world = try await World()
        try await world.ship()
        try await world.settled()
        try world.setPolicy(extra: "notify:\n  - webhook: \(server.url)\n    on: [live]\n")
        let (revision, _) = try await world.ship(["index.html": "two\n"])
        try await eventually("it is told") { !server.requests.isEmpty }
        try await world.settled()
        #expect(server.requests.count == 1 && server.requests[0].json["live"] as? String == revision)
        #expect(server.requests[0].json["previous"] as? String != nil)
    }

    @Test func `a command gets the event on its standard input, and what is wrong in variables`() async throws {
        let world = try await World()
        let script = "\(world.path)/tell"
        try world.write(
            "#!/bin/sh\ncat >>\(world.path)/told\necho $SHIPIT_TOPIC $SHIPIT_ENVIRONMENT >>\(world.path)/topics\n",
            to: script, mode: 0o755)
        try world.setPolicy(extra: "notify:\n  - command: [\(script)]\n    on: [failed, live]\n")
        try await world.ship(["appspec.yml": World.appspec("exit 3"), "scripts/hook": "#!/bin/sh\nexit 3\n"])
        try await eventually("it is told") { world.read("\(world.path)/topics") == "failed staging\n" }
        let told = try #require(
            JSONSerialization.jsonObject(with: Data((world.read("\(world.path)/told") ?? "").utf8)) as? [String: Any])
        #expect((told["reason"] as? String)?.contains("exit status 3; nothing is live in staging") == true)
        #expect(told["status"] as? String == "failed" && told["live"] is NSNull)
    }

    @Test func `a webhook's address and signature come from secrets, which nobody else sees`() async throws {
        let server = try HookServer()
        defer { server.close() }
        let world = try await telling("webhook: secret:HOOK\n    secret: KEY\n    format: slack\n    on: [live]")
        try await world.must(world.shipit("env", "set", "notify", "--secret", "HOOK", input: server.url))
        try await world.must(world.shipit("env", "set", "notify", "--secret", "KEY", input: "signing key"))
        try await world.ship([:], "<!channel> & co")
        try await eventually("it is told") { server.requests.count == 1 }
        let request = server.requests[0]
        #expect((request.json["text"] as? String)?.contains("&lt;!channel&gt; &amp; co") == true)
        let signature = try #require(request.header("X-Shipit-Signature"))
        let seconds = try #require(signature.split(separator: ",").first?.dropFirst(2))
        let digest = await world.run(
            ["/usr/bin/openssl", "dgst", "-sha256", "-hmac", "signing key", "-r"], in: world.path,
            input: "\(seconds).\(request.body)")
        #expect(signature == "t=\(seconds),sha256=\(digest.stdout.prefix(64))")
    }

    @Test func `a redirect is not followed`() async throws {
        let other = try HookServer()
        let server = try HookServer { _, _ in
            "HTTP/1.1 307 X\r\nLocation: \(other.url)\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        }
        defer {
            server.close()
            other.close()
        }
        let world = try await telling("webhook: \(server.url)")
        let test = await world.shipit("notify", "test")
        #expect(test.status == 1 && test.stdout.contains("answered 307, and redirects are not followed"))
        #expect(other.requests.isEmpty && server.requests.count == 1)
    }

    @Test func `what could not be told for three days is given up and said, and the rest is told`() async throws {
        let server = try HookServer { number, _ in number == 0 ? HookServer.busy : HookServer.ok }
        defer { server.close() }
        let world = try await telling("webhook: \(server.url)\n    on: [all]")
        let ledger = try world.installation().ledger
        let destination = try #require(try world.installation().app("blog").pipeline.notify.first)
        let now = Timestamp.now.milliseconds
        try ledger.write { db in
            for day in [4, 4, 0] {
                try db.say(.pushIgnored, app: "blog", "day \(day)")
                try db.execute(
                    sql: "UPDATE event SET at = ? WHERE id = last_insert_rowid()",
                    arguments: [now - Int64(day) * 86_400_000])
            }
        }
        try ledger.beginTelling(destination, of: "blog", after: 0)
        try ledger.write {
            try $0.execute(
                sql: "UPDATE notification SET failures = 12, failing_since = ?", arguments: [now - 4 * 86_400_000])
        }
        // It fails once more, and minutes pass before the next try: nothing to stay for.
        await world.shipit("work")
        #expect(server.requests.count == 1)
        let said = try #require(try ledger.events(after: 0).last)
        #expect(said.kind == .notifyGivenUp && said.text.contains("was not told what happened before"), "\(said)")
        await world.shipit("work")
        #expect(server.requests.count == 1, "not before its time")
        try ledger.write { try $0.execute(sql: "UPDATE notification SET next_try = NULL") }
        await world.shipit("work")
        #expect(server.requests.compactMap { $0.json["text"] as? String } == ["day 4", "day 0"])
        let state = try #require(try ledger.destinations().first)
        #expect(state.failures == 0 && state.cursor == said.id)
    }

    @Test func `pauses grow up to ten minutes and are never the same`() {
        #expect((1...40).allSatisfy { Notifier.pause(after: $0) <= .seconds(600) })
        #expect(Notifier.pause(after: 1) <= .seconds(1) && Notifier.pause(after: 5) >= .seconds(8))
        #expect(Set((0..<20).map { _ in Notifier.pause(after: 12) }).count > 1)
    }

    @Test func `a mail has one header for each thing, whatever the commit says`() throws {
        var notice = Notice.test("blog", by: "ann")
        notice.subject = visibleLine("grün\nBcc: all@example.org")
        let mail = try notice.mail(to: ["a@example.org", "b@example.org"], .text)
        let head = mail.prefix { _ in true }.split(separator: "\n\n", maxSplits: 1)[0].split(separator: "\n")
        #expect(head.first == "To: a@example.org, b@example.org")
        #expect(!head.contains { $0.hasPrefix("Bcc") } && head[1].hasPrefix("Subject: =?UTF-8?B?"))
        #expect(head.allSatisfy { $0.utf8.count < 200 && $0.utf8.allSatisfy { $0 < 0x80 } })
    }

    // MARK: Policy

    @Test(arguments: [
        ("command: tell", #"command wants a list of words"#),
        ("webhook: ftp://x/", "webhook wants http://… or https://…"),
        ("webhook: https://x/\n    mail: [a@b]", "wants one of command:, webhook: and mail:"),
        ("mail: [\"a@b, c@d\"]", "mail wants addresses"),
        ("mail: [\"-oQ/tmp\"]", "mail wants addresses"),
        ("webhook: https://x/\n    on: [faild]", "did you mean \"failed\"?"),
        ("webhook: https://x/\n    on: [job.failled]", "did you mean \"job.failed\"?"),
        ("webhook: https://x/\n    environments: [prod]", "there is no environment \"prod\""),
        ("webhook: https://x/\n    secret: \"not a name\"", "not the secret itself"),
        ("webhook: https://x/\n    timeout: 2h", "timeout wants at most 5m"),
        ("webhook: https://x/\n    colour: red", "unknown key \"colour\" in an entry of notify"),
        ("command: [bin/tell]", "absolute path or by its name alone"),
    ])
    func `a destination that cannot work is refused with its place`(entry: String, words: String) {
        let found = pipelineComplaints(smallPipeline + "notify:\n  - \(entry)\n")
        #expect(found.contains { $0.contains(words) && $0.hasPrefix("pipeline.yml:") }, "\(found)")
    }
}

extension World {
    /// An appspec whose ApplicationStart is `scripts/hook`.
    fileprivate static func appspec(_ text: String) -> String {
        """
        version: 0.0
        os: linux
        hooks:
          ApplicationStart:
            - location: scripts/hook

        """
    }
}
