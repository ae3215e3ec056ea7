import ArtifactKit
import Testing

@Suite struct PathRulesTests {
    static let deep = Array(repeating: "d", count: 256).joined(separator: "/")

    @Test(arguments: ["a", "a/b", "...", ".a", "a..", "a b", "new\nline", String(repeating: "x", count: 255), deep])
    func `a plain relative path is accepted`(path: String) throws {
        try PathRules.check(bytes(path))
    }

    @Test(arguments: [
        "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "a/./b", "a\u{0}b",
        String(repeating: "x", count: 256), deep + "/e", String(repeating: "abcdefgh/", count: 456),
    ])
    func `any other path is refused`(path: String) {
        #expect(code { try PathRules.check(bytes(path)) } == .unsafePath)
    }

    @Test(arguments: [("a", "b"), ("a", "."), ("a/b", ".."), ("a/b", "../c"), ("a/b/c", "../../x/../y"), ("a", "b/")])
    func `a link that stays inside is accepted`(path: String, target: String) throws {
        try PathRules.checkLink(at: bytes(path), target: bytes(target))
    }

    @Test(arguments: [
        ("a", ""), ("a", "/etc/passwd"), ("a", ".."), ("a/b", "../.."), ("a", "b/../../c/d"), ("a", "x\u{0}"),
        ("a/b", "./../../a"), ("a", "//"), ("a", String(repeating: "x/", count: 2048)),
    ])
    func `a link that leads out, even for a moment, is refused`(path: String, target: String) {
        #expect(code { try PathRules.checkLink(at: bytes(path), target: bytes(target)) } == .unsafeLink)
    }

    @Test func `the error names the path in one line`() {
        let error = #expect(throws: ArtifactError.self) { try PathRules.check(bytes("a/../\nforged")) }
        #expect(
            error?.description == #"could not accept the path a/../\x0Aforged: it has a component made of dots"#)
    }
}
