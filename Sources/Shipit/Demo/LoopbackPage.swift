import Glibc

/// Pages of servers on this machine, and ports for them: what the demo needs of HTTP, without a client to install.
enum LoopbackPage {
    /// Ports that are free now, found by taking them all at once and letting them go.
    static func freePorts(_ count: Int) -> [UInt16] {
        let descriptors = (0..<count).map { _ in socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0) }
        defer { for descriptor in descriptors where descriptor >= 0 { close(descriptor) } }
        return descriptors.map { descriptor in
            var address = address(port: 0)
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            withSocketAddress(&address) { _ = bind(descriptor, $0, length) }
            withSocketAddress(&address) { _ = getsockname(descriptor, $0, &length) }
            return UInt16(bigEndian: address.sin_port)
        }
    }

    /// The body of a page, or nil when nobody answers properly. Blocks for some seconds at most.
    static func fetch(port: UInt16, path: String = "/") -> String? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        // As struct timeval has it: seconds and microseconds.
        var patience = [5, 0]
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &patience, socklen_t(2 * MemoryLayout<Int>.stride))
        }
        var address = address(port: port)
        guard withSocketAddress(&address, { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }) == 0
        else { return nil }
        let request = Array("GET \(path) HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".utf8)
        guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else { return nil }
        var answer: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while answer.count < 1 << 20 {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count > 0 else { break }
            answer += buffer[..<count]
        }
        let text = String(decoding: answer, as: UTF8.self)
        guard text.hasPrefix("HTTP/1.1 200") || text.hasPrefix("HTTP/1.0 200") else { return nil }
        return text.firstRange(of: "\r\n\r\n").map { String(text[$0.upperBound...]) }
    }

    /// What a browser would show: without the tags.
    static func plain(_ page: String) -> String {
        var text = ""
        var isTag = false
        for character in page.firstRange(of: "</style>").map({ page[$0.upperBound...] }) ?? page[...] {
            if character == "<" { isTag = true }
            if !isTag { text.append(character) }
            if character == ">" { isTag = false }
        }
        return text.split(whereSeparator: \.isNewline).filter { !$0.isEmpty }.joined(separator: " ")
    }

    private static func address(port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        return address
    }

    private static func withSocketAddress<Value>(
        _ address: inout sockaddr_in, _ body: (UnsafeMutablePointer<sockaddr>) -> Value
    ) -> Value {
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1, body)
        }
    }
}
