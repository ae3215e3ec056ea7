import ArtifactKit
import Foundation
import Testing

@Suite struct DigestTests {
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    @Test func `a digest is SHA-256 and comes back from its digits`() throws {
        #expect(Digest.of(bytes("abc")).description == abc)
        #expect(Digest.of("abc".utf8) == Digest(hex: abc))
        let json = try JSONEncoder().encode([Digest.of(bytes("abc"))])
        #expect(String(decoding: json, as: UTF8.self) == "[\"\(abc)\"]")
        #expect(try JSONDecoder().decode([Digest].self, from: json) == [Digest.of(bytes("abc"))])
    }

    @Test(arguments: ["", "ba78", String(repeating: "g", count: 64), String(repeating: "A", count: 64)])
    func `only 64 digits in lower case are a digest`(text: String) {
        #expect(Digest(hex: text) == nil)
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(Digest.self, from: Data("\"\(text)\"".utf8)) }
    }

    @Test func `a file's digest is its content's`() throws {
        let scratch = try Scratch()
        try scratch.write("file", "abc")
        let (digest, size) = try Digest.ofFile(at: scratch.path("file"))
        #expect(digest.description == abc)
        #expect(size == 3)
        #expect(code { _ = try Digest.ofFile(at: scratch.path("none")) } == .notFound)
        #expect(code { _ = try Digest.ofFile(at: scratch.path) } == .unsafeEntry)
    }
}

@Suite struct DigestLayoutTests {
    @Test func `a digest lies where any word may lie, for which async functions have room`() {
        #expect(MemoryLayout<Digest>.alignment <= 16)
    }
}
