import Glibc

/// A listening TCP socket that answers each request and closes. One request at a time: enough for an example.
struct Socket {
    struct Failure: Error {
        let operation: String
        let reason = String(cString: strerror(errno))
    }

    private let descriptor: Int32

    /// Listens on this machine alone: a web server such as nginx stands in front.
    init(port: UInt16) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw Failure(operation: "make a socket") }
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout.size(ofValue: yes)))

        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        let length = socklen_t(MemoryLayout.size(ofValue: address))
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        guard bound == 0, listen(descriptor, SOMAXCONN) == 0 else {
            throw Failure(operation: "listen on port \(port)")
        }
    }

    /// Calls `respond` with the path of each request and sends what it returns.
    func serve(_ respond: (String) -> (status: String, body: String)) {
        while true {
            let connection = accept(descriptor, nil, nil)
            guard connection >= 0 else { continue }
            defer { close(connection) }
            // A client that says nothing, or does not listen, is given up.
            var patience = timeval(tv_sec: 2, tv_usec: 0)
            let length = socklen_t(MemoryLayout.size(ofValue: patience))
            setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, length)
            setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, length)

            guard let path = path(of: request(from: connection)) else { continue }
            let (status, body) = respond(path)
            let answer = """
                HTTP/1.1 \(status)\r
                Content-Type: text/plain; charset=utf-8\r
                Content-Length: \(body.utf8.count)\r
                Connection: close\r
                \r
                \(body)
                """
            let bytes = Array(answer.utf8)
            _ = send(connection, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        }
    }

    /// Everything up to the empty line, 8 KiB at most.
    private func request(from connection: Int32) -> [UInt8] {
        var request: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1024)
        while request.count < 8192, !request.ends(with: "\r\n\r\n".utf8) {
            let count = recv(connection, &buffer, buffer.count, 0)
            guard count > 0 else { break }
            request += buffer[..<count]
        }
        return request
    }

    /// `/health` of `GET /health HTTP/1.1`.
    private func path(of request: [UInt8]) -> String? {
        let words = request.prefix { $0 != UInt8(ascii: "\r") }.split(separator: UInt8(ascii: " "))
        return words.count == 3 ? String(decoding: words[1], as: UTF8.self) : nil
    }
}

extension [UInt8] {
    func ends(with end: String.UTF8View) -> Bool { suffix(end.count).elementsEqual(end) }
}
