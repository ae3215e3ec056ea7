import Foundation
import GitKit
import Testing

@Suite struct ObjectIDTests {
    @Test(arguments: [String(repeating: "0", count: 40), String(repeating: "0", count: 64)])
    func `the zero id has 40 or 64 digits and is zero in both`(hex: String) throws {
        let id = try #require(ObjectID(hex))
        #expect(id.isZero)
        #expect(id.hex == hex)
    }

    @Test(arguments: [
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    ])
    func `an id survives text and JSON`(hex: String) throws {
        let id = try #require(ObjectID(hex.uppercased()))
        #expect(id.hex == hex)
        #expect(id.abbreviated() == String(hex.prefix(7)))
        let json = try JSONEncoder().encode([id])
        #expect(String(decoding: json, as: UTF8.self) == "[\"\(hex)\"]")
        #expect(try JSONDecoder().decode([ObjectID].self, from: json) == [id])
    }

    @Test(arguments: ["", "1234567", String(repeating: "g", count: 40), String(repeating: "1", count: 41), "٠٠"])
    func `other text is no id`(text: String) {
        #expect(ObjectID(text) == nil)
    }

    @Test func `ids sort as their text does`() {
        let ids = (0..<200).compactMap { _ in
            ObjectID((0..<40).map { _ in String(Int.random(in: 0..<16), radix: 16) }.joined())
        }
        #expect(ids.sorted().map(\.hex) == ids.map(\.hex).sorted())
    }
}

@Suite struct ObjectIDLayoutTests {
    @Test func `an id lies where any word may lie, for which async functions have room`() {
        #expect(MemoryLayout<ObjectID>.alignment <= 16)
    }
}
