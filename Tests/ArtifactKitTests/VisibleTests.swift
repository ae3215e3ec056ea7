import ArtifactKit
import Testing

@Suite struct VisibleTests {
    @Test(arguments: [
        (bytes("plain name.txt"), "plain name.txt"),
        (bytes("grüße 👍"), "grüße 👍"),
        (bytes("a\nb\u{1b}[2J\u{7f}"), #"a\x0Ab\x1B[2J\x7F"#),
        ([0xff, 0x41, 0xc3], #"\xFFA\xC3"#),
        (bytes("\u{85}\u{9b}"), #"\xC2\x85\xC2\x9B"#),
        (bytes("txt.\u{202e}exe"), #"txt.\xE2\x80\xAEexe"#),
        (bytes("\u{2028}"), #"\xE2\x80\xA8"#),
        ([0xed, 0xa0, 0x80], #"\xED\xA0\x80"#),
        ([], ""),
    ])
    func `a name is shown without what could deceive`(name: [UInt8], text: String) {
        #expect(visible(name) == text)
        #expect(visible(bytes(text)) == text)
    }

    @Test func `any bytes become one line of visible characters`() {
        for _ in 0..<2000 {
            let name = (0..<Int.random(in: 0..<40)).map { _ in UInt8.random(in: 0...255) }
            let hidden = visible(name).unicodeScalars.filter { $0.value < 0x20 || (0x7f..<0xa0).contains($0.value) }
            #expect(hidden.isEmpty)
        }
    }
}
