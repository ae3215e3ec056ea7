import Foundation
import GitKit
import Testing

@Suite struct ReferenceNameTests {
    @Test(arguments: [
        ("refs/heads/main", "main", true, false), ("refs/tags/v1", "v1", false, true),
        ("refs/notes/x", "refs/notes/x", false, false), ("refs/heads/feat/a", "feat/a", true, false),
    ])
    func `short names lose their kind`(name: String, short: String, isBranch: Bool, isTag: Bool) {
        let reference = ReferenceName(name)
        #expect(reference.short == short)
        #expect(reference.isBranch == isBranch)
        #expect(reference.isTag == isTag)
    }

    @Test(arguments: [
        (Array("refs/heads/größe".utf8), "refs/heads/größe"),
        (Array("refs/heads/".utf8) + [0xff, 0x41], #"refs/heads/\xffA"#),
        (Array("a\u{1b}[31m\n".utf8), #"a\x1b[31m\x0a"#),
        (Array(#"a\x41"#.utf8), #"a\x5cx41"#),
        (Array("a\u{202e}b".utf8), #"a\xe2\x80\xaeb"#),
        ([0xe2, 0x82], #"\xe2\x82"#),
    ])
    func `the text of a name is harmless and finds back to its bytes`(bytes: [UInt8], text: String) throws {
        let name = ReferenceName(bytes: bytes)
        #expect(name.text == text)
        #expect(ReferenceName(escaped: text) == name)
        #expect(try JSONDecoder().decode(ReferenceName.self, from: JSONEncoder().encode(name)) == name)
    }

    @Test func `random bytes find back too`() {
        for _ in 0..<2000 {
            let name = ReferenceName(bytes: (0..<Int.random(in: 0..<30)).map { _ in UInt8.random(in: 0...255) })
            #expect(ReferenceName(escaped: name.text) == name)
            #expect(name.text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f })
        }
    }
}
