import Spool
import Testing

@Suite struct PushTests {
    private let push = Push(
        repository: Array("/srv/git/blog.git".utf8), receivedAtNanoseconds: 1_700_000_000_123_456_789, sequence: 42,
        claims: [Push.Claim(name: "GL_USER", value: Array("ann\n=".utf8))],
        options: [Array("a b=c\nend 0\n".utf8), []],
        updates: [
            Push.Update(old: zeros(40), new: ones(40), reference: Array("refs/heads/main".utf8)),
            Push.Update(old: ones(64), new: zeros(64), reference: Array("refs/heads/a;$(touch${IFS}p)".utf8) + [0xFF]),
        ])

    private static func zeros(_ count: Int) -> [UInt8] { Array(repeating: UInt8(ascii: "0"), count: count) }
    private static func ones(_ count: Int) -> [UInt8] { Array(repeating: UInt8(ascii: "1"), count: count) }

    @Test func `what was written is what is read`() throws {
        #expect(try Push(decoding: push.encoded()) == push)
        #expect(push.updates[0].isCreate && !push.updates[0].isDelete)
        #expect(push.updates[1].isDelete && !push.updates[1].isCreate)
    }

    @Test func `every truncation is an error`() {
        let bytes = push.encoded()
        for count in bytes.indices {
            #expect(throws: SpoolError.self) { try Push(decoding: Array(bytes[..<count])) }
        }
    }

    @Test func `nothing may stand behind the end`() {
        #expect(throws: SpoolError.self) { try Push(decoding: push.encoded() + [0]) }
    }

    @Test func `ten thousand random mutations never trap`() {
        let bytes = push.encoded()
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<10_000 {
            var mutated = bytes
            for _ in 0...Int.random(in: 0..<4, using: &generator) {
                let place = Int.random(in: mutated.indices, using: &generator)
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: mutated[place] = UInt8.random(in: .min ... .max, using: &generator)
                case 1: mutated.insert(UInt8.random(in: 0x30...0x39, using: &generator), at: place)
                case 2: mutated.remove(at: place)
                default: mutated.removeSubrange(place..<min(place + 9, mutated.count - 1))
                }
                if mutated.count < 30 { mutated = bytes }
            }
            // A mutation inside a value may well be another push; then it must be one that can be written again.
            guard let decoded = try? Push(decoding: mutated) else { continue }
            #expect((try? Push(decoding: decoded.encoded())) == decoded)
        }
    }

    @Test(arguments: [
        "repository 99999999\n/a\n", "repository 999999999\n/a\n", "repository 02\n/a\n", "repository -1\n/a\n",
        "repository 2\n/ab\n", "repository 2 \n/a\n", "repository  2\n/a\n", "Repository 2\n/a\n", " 2\n/a\n",
        "repository \n/a\n", "repository 1\na\n", "repository 2\n/a\nrepository 2\n/a\n",
        "received-at 2\n+1\n", "received-at 2\n-1\n", "received-at 20\n99999999999999999999\n", "received-at 2\n01\n",
        "claim 1\na\n", "claim 3\na=b\n", "update 5\na b c\n", "end 1\nx\n", "end 0\n\n",
        "keykeykeykeykeykeykeykeykeykeykeykey 0\n\n",
    ])
    func `a malformed record is an error`(record: String) {
        let rest = "repository 2\n/a\nreceived-at 1\n1\nsequence 1\n1\nend 0\n\n"
        let bytes = Array("shipit-push 1\n\(record)\(rest)".utf8)
        #expect(throws: SpoolError.self) { try Push(decoding: bytes) }
    }

    @Test func `a record of a newer hook is skipped`() throws {
        let text = "shipit-push 1\nweather 4\nrain\nrepository 2\n/a\nreceived-at 1\n1\nsequence 1\n1\nend 0\n\n"
        #expect(try Push(decoding: Array(text.utf8)).repository == Array("/a".utf8))
    }

    @Test func `another first line is another format`() {
        #expect(throws: SpoolError.unknownFormat) { try Push(decoding: Array("shipit-push 2\nend 0\n\n".utf8)) }
    }

    @Test(arguments: [
        "", "a b c", "\(String(repeating: "1", count: 40)) \(String(repeating: "2", count: 64)) refs/heads/a",
        "\(String(repeating: "A", count: 40)) \(String(repeating: "2", count: 40)) refs/heads/a",
        "\(String(repeating: "1", count: 40)) \(String(repeating: "2", count: 40)) ",
        "\(String(repeating: "1", count: 40)) \(String(repeating: "2", count: 40)) refs/heads/a\u{1B}[31m",
    ])
    func `a line that git cannot have written is none`(line: String) {
        #expect(Push.Update(line: Array(line.utf8)[...]) == nil)
    }
}
