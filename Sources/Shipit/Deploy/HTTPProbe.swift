import Glibc

/// Asks an http URL once and looks at the status; no redirects, no TLS, nothing kept.
struct HTTPProbe: Hashable, Sendable {
    let host: String
    let port: String
    let path: String

    /// `http://HOST[:PORT][/PATH]`; nil for anything else.
    init?(url: String) {
        guard url.hasPrefix("http://"), url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
        let rest = url.dropFirst("http://".count)
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        let tail = rest.dropFirst(authority.count)
        guard !authority.contains("@"), !authority.contains("#"), !tail.contains("#") else { return nil }
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { return nil }
            host = String(authority[authority.index(after: authority.startIndex)..<end])
            let after = authority[authority.index(after: end)...]
            guard after.isEmpty || after.hasPrefix(":") else { return nil }
            port = after.isEmpty ? "80" : String(after.dropFirst())
        } else {
            let parts = authority.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count <= 2, let first = parts.first else { return nil }
            host = String(first)
            port = parts.count == 2 ? String(parts[1]) : "80"
        }
        guard !host.isEmpty, let number = UInt16(port), number > 0 else { return nil }
        path = tail.isEmpty ? "/" : tail.hasPrefix("/") ? String(tail) : "/\(tail)"
    }

    /// Nil when it answered with a status from 200 to 399, else what was wrong; takes at most `seconds`. Blocks.
    func obstacle(within seconds: Double) -> String? {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, port, &hints, &found)
        guard code == 0 else { return "\(host) is unknown: \(String(cString: gai_strerror(code)))" }
        defer { freeaddrinfo(found) }
        let deadline = ContinuousClock.now + .seconds(seconds)
        var obstacle = "no address for \(host)"
        var next = found
        while let address = next {
            next = address.pointee.ai_next
            guard let reason = ask(address.pointee, deadline) else { return nil }
            obstacle = reason
        }
        return obstacle
    }

    private func ask(_ address: addrinfo, _ deadline: ContinuousClock.Instant) -> String? {
        let descriptor = socket(
            address.ai_family, address.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), address.ai_protocol)
        guard descriptor >= 0 else { return systemReason(errno) }
        defer { close(descriptor) }
        Self.limit(descriptor, deadline)
        guard connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 else {
            return errno == EINPROGRESS ? "no answer in time" : systemReason(errno)
        }
        let request = Array(
            "GET \(path) HTTP/1.1\r\nHost: \(host)\r\nUser-Agent: shipit\r\nConnection: close\r\n\r\n".utf8)
        guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else {
            return systemReason(errno)
        }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 512)
        while answer.count < 64, !answer.contains(UInt8(ascii: "\n")) {
            // Again for each piece: a server that drips must not get the whole time for every byte.
            guard Self.limit(descriptor, deadline) else { return "no answer in time" }
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count < 0 { return errno == EAGAIN ? "no answer in time" : systemReason(errno) }
            if count == 0 { break }
            answer += buffer[..<count]
        }
        let words = String(decoding: answer.prefix(64), as: UTF8.self).split(separator: " ")
        guard words.count > 1, words[0].hasPrefix("HTTP/"), let status = Int(words[1].prefix(3)) else {
            return "the answer is not HTTP"
        }
        return (200..<400).contains(status) ? nil : "the answer was \(status)"
    }

    /// Lets the socket's calls wait until the deadline; false when that has passed.
    @discardableResult
    private static func limit(_ descriptor: Int32, _ deadline: ContinuousClock.Instant) -> Bool {
        let rest = deadline - .now
        let seconds = max(0.001, rest.inSeconds)
        // As struct timeval has it: seconds and microseconds.
        var limit = [Int(seconds), Int((seconds - seconds.rounded(.down)) * 1e6)]
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(2 * MemoryLayout<Int>.stride))
        }
        return rest > .zero
    }
}
