import Foundation
import Testing

@testable import shipit_receive

@Suite struct AccountTests {
    @Test func `an account is found by its number, and nothing else is taken for one`() throws {
        let table = NSTemporaryDirectory() + "passwd-\(UUID())"
        try Data(
            """
            root:x:0:0:root:/root:/bin/sh
            :::::
            short:x:7:7
            ann:x:1007:1007:Ann,,,:/home/ann:/bin/sh
            last:x:7:7::/srv/last:
            """.utf8
        ).write(to: URL(filePath: table))
        defer { try? FileManager.default.removeItem(atPath: table) }  // a leftover hurts nobody
        #expect(Account(of: 1007, in: table).map { String(decoding: $0.name, as: UTF8.self) } == "ann")
        #expect(Account(of: 1007, in: table).map { String(decoding: $0.home, as: UTF8.self) } == "/home/ann")
        #expect(Account(of: 7, in: table).map { String(decoding: $0.home, as: UTF8.self) } == "/srv/last")
        #expect(Account(of: 8, in: table) == nil)
        #expect(Account(of: 0, in: "/nowhere/passwd") == nil)
    }
}
