import Foundation
import Glibc
import Testing

@testable import Shipit

/// A log in the temporary folder, and what stands in it without the times.
private final class Paper {
    let path = FileManager.default.temporaryDirectory.appending(path: "log-\(UUID().uuidString)").path
    let log: LogFile

    init(secrets: [String] = []) throws { log = try LogFile(at: path, masker: Masker(secrets: secrets)) }

    deinit { unlink(path) }

    func output(_ bytes: [UInt8]) { bytes.withUnsafeBytes { log.output($0) } }
    func output(_ text: String) { output(Array(text.utf8)) }

    var whole: String { String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self) }

    /// Each line has its time before it: eight characters and a space.
    var lines: [String] {
        log.finish()
        return whole.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map { String($0.dropFirst(9)) }
    }
}

@Suite struct LogFileTests {
    @Test func `who speaks stands before every line`() throws {
        let paper = try Paper()
        paper.log.say("phase build")
        paper.log.command("make\nmake check")
        paper.output("one\ntwo")
        #expect(paper.lines == ["* phase build", "$ make", "$ make check", "| one", "| two"])
        #expect(paper.whole.split(separator: "\n").allSatisfy { $0.prefix(8).wholeMatch(of: /\d\d:\d\d:\d\d/) != nil })
    }

    @Test func `no program can forge a line of shipit's`() throws {
        let paper = try Paper()
        paper.output("\r12:00:00 * staging is live\n12:00:00 * forged\u{1B}[1A\u{1B}[2K\n\u{2028}12:00:00 * x\u{85}y\n")
        paper.log.say("a name with\n12:00:00 * a line break")
        #expect(
            paper.lines.allSatisfy {
                $0.hasPrefix("| ") || $0 == "* a name with^J12:00:00 * a line break" || $0 == "|"
            }, "\(paper.lines)")
        #expect(!paper.whole.contains("\u{1B}") && !paper.whole.contains("\u{85}") && !paper.whole.contains("\u{2028}"))
    }

    @Test func `control bytes are shown and never sent`() throws {
        let paper = try Paper()
        paper.output("\u{1B}[31mred\u{07}\u{08}\u{0}end\n")
        #expect(paper.lines == ["| ^[[31mred^G^H^@end"])
    }

    @Test func `carriage returns end lines, and a Windows line end is one`() throws {
        let paper = try Paper()
        paper.output("10%\r20%\r30%\nwindows\r\nplain\n")
        paper.output("split\r")
        paper.output("\nnext\n")
        #expect(paper.lines == ["| 10%", "| 20%", "| 30%", "| windows", "| plain", "| split", "| next"])
    }

    @Test func `bytes that are no text are shown`() throws {
        let paper = try Paper()
        paper.output([0x61, 0xFF, 0x1B, 0x62, 0x0A])
        let line = try #require(paper.lines.first)
        #expect(
            line.hasPrefix("| a") && line.hasSuffix("b") && !line.contains("\u{1B}") && !line.contains("\u{FFFD}"),
            "\(line)")
    }

    @Test func `one line of a hundred megabytes costs no memory, and the log is capped with a note`() throws {
        let paper = try Paper()
        let chunk = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20)
        let before = Self.residentPages()
        for _ in 0..<100 { paper.output(chunk) }
        #expect(Self.residentPages() - before < 64 << 8, "pages of 4 KiB")
        paper.output("\n")
        paper.log.say("the end")
        let lines = paper.lines
        #expect(paper.whole.utf8.count < LogFile.limit + 64 << 10)
        let note = try #require(lines.last { $0.hasSuffix("bytes of output were left out") })
        let number = try #require(note.split(separator: " ").dropFirst().first.flatMap { Int($0) })
        #expect(note.hasPrefix("* ") && number > 80 << 20 && number < 110 << 20)
        #expect(lines.contains("* the end"))
    }

    private static func residentPages() -> Int {
        let text = String(decoding: FileManager.default.contents(atPath: "/proc/self/statm") ?? Data(), as: UTF8.self)
        return text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    }

    @Test func `a second attempt writes on where the first one ended`() throws {
        let paper = try Paper()
        paper.log.say("first")
        paper.log.finish()
        try LogFile(at: paper.path).say("second")
        #expect(paper.lines == ["* first", "* second"])
    }

    @Test func `a log that is a link is refused`() throws {
        let paper = try Paper()
        let link = paper.path + ".link"
        defer { unlink(link) }
        symlink(paper.path, link)
        #expect(throws: ShipitError.self) { _ = try LogFile(at: link) }
    }

    @Test func `a full disk stops nothing`() throws {
        let log = try LogFile(at: "/dev/full")
        log.say("nobody will read this")
        Array("nor this\n".utf8).withUnsafeBytes { log.output($0) }
        log.finish()
    }
}

@Suite struct MaskerTests {
    private let secret = "hunter2 & Søn/?"

    private func masked(_ text: String, _ secrets: String...) -> String { Masker(secrets: secrets).masked(text) }

    @Test func `a secret is hidden as it is, and as base64, in a URL and in hexadecimal`() {
        let bytes = Data(secret.utf8)
        let forms = [
            secret, bytes.base64EncodedString(), bytes.map { String(format: "%02x", $0) }.joined(),
            secret.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? "",
        ]
        for form in forms {
            let shown = masked("before \(form) after", secret)
            #expect(shown.hasPrefix("before ***") && shown.hasSuffix(" after"), "\(shown)")
            #expect(!shown.contains(String(form.prefix(12))))
        }
    }

    @Test func `a secret inside a longer base64 text is hidden where it begins a group`() {
        let shown = masked(Data("user:pass:hunter2secret".utf8).base64EncodedString(), "user:pass:hunter2secret")
        #expect(!shown.contains("aHVudGVy"))
    }

    @Test func `each line of a secret with several lines is hidden`() {
        let key = "-----BEGIN KEY-----\nMIIEowIBAAKCAQEA\n-----END KEY-----"
        #expect(masked("x MIIEowIBAAKCAQEA y", key) == "x *** y")
        #expect(masked(key, key) == "***")
    }

    @Test func `the longer of two secrets is hidden whole`() {
        #expect(masked("abcdefgh", "abcd", "abcdefgh") == "***")
        #expect(masked("abcdxyz", "abcd", "abcdefgh") == "***xyz")
    }

    @Test func `a value of three letters hides nothing`() {
        #expect(masked("yes, abc", "abc", "") == "yes, abc")
    }

    @Test func `a secret that is not there changes nothing`() {
        #expect(masked("nothing to see", "hunter2") == "nothing to see")
        #expect(Masker(secrets: []).masked("anything") == "anything")
    }

    @Test func `a secret that comes in two pieces is hidden`() throws {
        let paper = try Paper(secrets: ["hunter2secret"])
        paper.output("token=hunter2")
        paper.output("secret!\n")
        #expect(paper.lines == ["| token=***!"])
    }

    @Test func `a secret that lies across the end of a piece of a long line is hidden`() throws {
        let secret = "hunter2secretvalue"
        for offset in stride(from: 16_300, through: 16_500, by: 7) {
            let paper = try Paper(secrets: [secret])
            paper.output(String(repeating: "x", count: offset) + secret + String(repeating: "y", count: 20_000) + "\n")
            let text = paper.lines.map { $0.dropFirst(2) }.joined()
            #expect(
                text == String(repeating: "x", count: offset) + "***" + String(repeating: "y", count: 20_000),
                "at \(offset)")
        }
    }

    @Test func `shipit's own lines are masked too`() throws {
        let paper = try Paper(secrets: ["hunter2"])
        paper.log.say("the password is hunter2")
        paper.log.command("echo hunter2")
        #expect(paper.lines == ["* the password is ***", "$ echo ***"])
    }
}
