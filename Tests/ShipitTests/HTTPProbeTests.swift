import Foundation
import Glibc
import Synchronization
import Testing

@testable import Shipit

/// A server on the loopback that answers every request with the same bytes, or not at all.
final class LoopbackServer: Sendable {
    let port: UInt16
    private let listener: Int32
    private let heard = Mutex<[String]>([])

    /// `answer` nil: accepts and says nothing. `drip`: one byte at a time, so many milliseconds apart.
    init(_ answer: String?, drip: UInt32 = 0) throws {
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
                    // By nobody else, or another server could get the number that this thread is about to ask.
                    Glibc.close(listener)
                    return
                }
                Thread.detachNewThread { [self] in serve(connection, answer, drip) }
            }
        }
    }

    /// What clients asked.
    var requests: [String] { heard.withLock { $0 } }

    func close() {
        shutdown(listener, Int32(SHUT_RDWR))
    }

    private func serve(_ connection: Int32, _ answer: String?, _ drip: UInt32) {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = recv(connection, &buffer, buffer.count, 0)
        heard.withLock { $0.append(String(decoding: buffer[..<max(0, count)], as: UTF8.self)) }
        guard let answer else {
            _ = recv(connection, &buffer, buffer.count, 0)
            Glibc.close(connection)
            return
        }
        for byte in answer.utf8 {
            guard drip > 0 else { break }
            usleep(drip * 1000)
            var byte = byte
            if send(connection, &byte, 1, Int32(MSG_NOSIGNAL)) < 0 { break }
        }
        if drip == 0 {
            let bytes = Array(answer.utf8)
            _ = send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        }
        Glibc.close(connection)
    }
}

@Suite struct HTTPProbeTests {
    @Test(arguments: [
        ("http://a", "a", "80", "/"), ("http://a/", "a", "80", "/"), ("http://a:81/x?y=z", "a", "81", "/x?y=z"),
        ("http://a?q", "a", "80", "/?q"), ("http://[::1]:9/x", "::1", "9", "/x"), ("http://[::1]", "::1", "80", "/"),
        ("http://127.0.0.1:8080/health", "127.0.0.1", "8080", "/health"),
    ])
    func `an http address is taken apart`(url: String, host: String, port: String, path: String) throws {
        let probe = try #require(HTTPProbe(url: url))
        #expect(probe.host == host && probe.port == port && probe.path == path)
    }

    @Test(arguments: [
        "", "a", "https://a/", "ftp://a", "http://", "http:///x", "http://:80/", "http://a:0/", "http://a:65536/",
        "http://a:b/",
        "http://a:1:2/", "http://u@a/", "http://a/#f", "http://a b/", "http://a/\r\nX: y", "http://[::1",
        "http://[::1]x", "http://[]",
        "HTTP://a", "http://ä/",
    ])
    func `anything else is none`(url: String) { #expect(HTTPProbe(url: url) == nil) }

    private func ask(_ answer: String?, drip: UInt32 = 0, within: Double = 5) throws -> (
        obstacle: String?, requests: [String]
    ) {
        let server = try LoopbackServer(answer, drip: drip)
        defer { server.close() }
        let probe = try #require(HTTPProbe(url: "http://127.0.0.1:\(server.port)/health?x=1"))
        return (probe.obstacle(within: within), server.requests)
    }

    @Test(arguments: [200, 204, 301, 399]) func `a status from 200 to 399 is well`(status: Int) throws {
        #expect(try ask("HTTP/1.1 \(status) X\r\n\r\n").obstacle == nil)
    }

    @Test(arguments: [100, 400, 404, 500, 503]) func `any other status is told`(status: Int) throws {
        #expect(try ask("HTTP/1.0 \(status) X\r\n\r\n").obstacle == "the answer was \(status)")
    }

    @Test(arguments: ["", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1\r\n", "HTTP/1.1 abc\r\n", "\u{0}\u{0}\n", "200 OK\n"])
    func `what is not HTTP is said not to be`(answer: String) throws {
        #expect(try ask(answer).obstacle == "the answer is not HTTP")
    }

    @Test func `one plain request is made`() throws {
        let (_, requests) = try ask("HTTP/1.1 200 OK\r\n\r\n")
        #expect(
            requests == [
                "GET /health?x=1 HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: shipit\r\nConnection: close\r\n\r\n"
            ])
    }

    @Test func `a server that says nothing is not waited for longer than the limit`() throws {
        let began = ContinuousClock.now
        #expect(try ask(nil, within: 0.3).obstacle == "no answer in time")
        #expect(ContinuousClock.now - began < .seconds(5))
    }

    @Test func `a server that drips does not hold the check up either`() throws {
        let began = ContinuousClock.now
        #expect(try ask(String(repeating: "H", count: 60), drip: 200, within: 0.5).obstacle != nil)
        #expect(ContinuousClock.now - began < .seconds(5))
    }

    @Test func `nobody there is said as the system says it`() throws {
        let server = try LoopbackServer("")
        server.close()
        let probe = try #require(HTTPProbe(url: "http://127.0.0.1:\(server.port)/"))
        #expect(probe.obstacle(within: 1) == "connection refused")
    }

    @Test func `a name that leads nowhere is said with its name`() throws {
        let probe = try #require(HTTPProbe(url: "http://no-such-host.invalid/"))
        #expect(probe.obstacle(within: 1)?.hasPrefix("no-such-host.invalid is unknown: ") == true)
    }
}
