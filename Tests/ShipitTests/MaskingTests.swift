import Foundation
import Testing

@testable import Shipit

/// Secrets in the forms in which programs print them, and in pieces of any size.
@Suite struct MaskingTests {
    private static let awkward = "it's a \"pässword\" & <more>/\\ + 100%~\t*"

    private func hidden(_ text: String, _ secret: String = Self.awkward) -> String {
        Masker(secrets: [secret]).masked("before \(text) after")
    }

    @Test(arguments: [
        #"it's a \"pässword\" & <more>/\\ + 100%~\t*"#,
        #"it's a \"p\u00e4ssword\" & <more>/\\ + 100%~\t*"#,
        #"it's a \"p\u00E4ssword\" \u0026 \u003Cmore\u003E/\\ + 100%~\t*"#,
        #"it's a \"pässword\" & <more>\/\\ + 100%~\t*"#,
    ])
    func `a secret in JSON is hidden, however it is escaped`(form: String) {
        #expect(hidden(form) == "before *** after")
    }

    @Test(arguments: [
        #"it%27s%20a%20%22p%C3%A4ssword%22%20%26%20%3Cmore%3E%2F%5C%20%2B%20100%25~%09%2A"#,
        #"it%27s%20a%20%22p%c3%a4ssword%22%20%26%20%3cmore%3e%2f%5c%20%2b%20100%25~%09%2a"#,
        #"it%27s+a+%22p%C3%A4ssword%22+%26+%3Cmore%3E%2F%5C+%2B+100%25%7E%09*"#,
        #"it's%20a%20%22p%C3%A4ssword%22%20%26%20%3Cmore%3E%2F%5C%20%2B%20100%25~%09*"#,
    ])
    func `a secret in an address or a form is hidden, whatever the encoder leaves as it is`(form: String) {
        #expect(hidden(form) == "before *** after")
    }

    @Test(arguments: [
        #"'it'\''s a "pässword" & <more>/\ + 100%~"# + "\t*'", #"'it'"'"'s a "pässword" & <more>/\ + 100%~"# + "\t*'",
        #"$'it\'s a "pässword" & <more>/\\ + 100%~\t*'"#,
        #"it&#39;s a &quot;pässword&quot; &amp; &lt;more&gt;/\ + 100%~"# + "\t*",
    ])
    func `a secret that a shell or a page quotes is hidden`(form: String) {
        let shown = hidden(form)
        #expect(!shown.contains("ssword") && !shown.contains("more") && shown.contains("***"), "\(shown)")
    }

    @Test func `hexadecimal digits are hidden in both cases`() {
        let bytes = Data(Self.awkward.utf8)
        #expect(hidden(bytes.map { String(format: "%02x", $0) }.joined()) == "before *** after")
        #expect(hidden(bytes.map { String(format: "%02X", $0) }.joined()) == "before *** after")
    }

    @Test func `hexadecimal digits with something between the bytes are hidden too`() {
        let digits = Data("a-secret-of-25-characters".utf8).map { String(format: "%02x", $0) }
        for mark in [" ", ":", "\\x"] {
            #expect(hidden(digits.joined(separator: mark), "a-secret-of-25-characters") == "before *** after")
        }
        let lines = [digits.prefix(16), digits.dropFirst(16)].map { " " + $0.joined(separator: " ") }
        #expect(lines.allSatisfy { hidden($0, "a-secret-of-25-characters").hasPrefix("before  ***") })
    }

    @Test(arguments: ["", "u", "us", "user:", "Søn:", "a longer name:"])
    func `a secret anywhere in a longer base64 text is hidden, in both alphabets`(before: String) {
        let secret = "hünter2?>~~secret-value"
        for after in ["", "x", "xy", "\n"] {
            let text = Data("\(before)\(secret)\(after)".utf8).base64EncodedString()
            for form in [text, text.replacing("+", with: "-").replacing("/", with: "_")] {
                let shown = Masker(secrets: [secret]).masked("Authorization: Basic \(form)")
                #expect(shown.contains("***"), "\(shown)")
                // At most a digit at each end of it is left, besides those of what stands around it.
                let left = shown.replacing("Authorization: Basic ", with: "").replacing("***", with: "")
                #expect(
                    left.utf8.count <= (before.utf8.count * 4 + 2) / 3 + (after.utf8.count * 4 + 2) / 3 + 4, "\(shown)")
            }
        }
    }

    @Test func `a long secret is hidden where base64 and xxd break their lines`() {
        let secret = (0..<20).map { "part\($0 * 7919 % 1000)" }.joined(separator: "-")
        let masker = Masker(secrets: [secret])
        let text = Data(secret.utf8).base64EncodedString()
        for width in [64, 76] {
            let lines = stride(from: 0, to: text.count, by: width).map { String(text.dropFirst($0).prefix(width)) }
            #expect(lines.filter { $0.count >= 8 }.allSatisfy { masker.masked($0).hasPrefix("***") })
        }
    }

    @Test func `blanks that a shell drops around a secret change nothing`() {
        #expect(hidden("hunter2", "  hunter2 ") == "before *** after")
    }

    @Test func `secrets that overlap or follow one another are hidden as one`() {
        let masker = Masker(secrets: ["abcdef", "efghij"])
        #expect(masker.masked("xabcdefghijx") == "x***x")
        #expect(masker.masked("abcdefefghij") == "***")
        #expect(masker.masked("abcdef efghij") == "*** ***")
    }

    // MARK: In pieces

    /// What is hidden, from the definition: every byte of every occurrence of every form, each stretch as three stars.
    private func reference(_ text: [UInt8], _ secrets: [String]) -> [UInt8] {
        var isHidden = [Bool](repeating: false, count: text.count)
        for form in secrets.reduce(into: Set<[UInt8]>(), { $0.formUnion(SecretForms.all(of: $1)) })
        where form.count <= text.count {
            for start in 0...text.count - form.count where text[start..<start + form.count].elementsEqual(form) {
                for index in start..<start + form.count { isHidden[index] = true }
            }
        }
        var result: [UInt8] = []
        for (index, byte) in text.enumerated() {
            if !isHidden[index] {
                result.append(byte)
            } else if index == 0 || !isHidden[index - 1] {
                result += Array("***".utf8)
            }
        }
        return result
    }

    private func masked(_ text: [UInt8], by masker: Masker, in pieces: [Int]) -> [UInt8] {
        var stream = masker.stream()
        var (result, start): ([UInt8], Int) = ([], 0)
        for end in pieces + [text.count] {
            Array(text[start..<end]).withUnsafeBytes { stream.mask($0, into: &result) }
            start = end
        }
        stream.finish(into: &result)
        return result
    }

    @Test(arguments: 0..<60) func `what is hidden is the same wherever the pieces end`(seed: UInt64) {
        var random = Seeded(seed: seed)
        func word(_ lengths: ClosedRange<Int>) -> String {
            String((0..<Int.random(in: lengths, using: &random)).map { _ in "ab".randomElement(using: &random) ?? "a" })
        }
        let secrets = (0..<Int.random(in: 1...6, using: &random)).map { _ in word(4...9) }
        let text = Array(word(0...120).utf8)
        let masker = Masker(secrets: secrets)
        let expected = reference(text, secrets)
        #expect(masker.masked(text) == expected)
        for split in 0...text.count { #expect(masked(text, by: masker, in: [split]) == expected, "split at \(split)") }
        #expect(masked(text, by: masker, in: Array(0..<text.count)) == expected, "byte by byte")
    }

    @Test func `a log shows the same wherever the pieces of its output end`() throws {
        let secrets = ["hunter2secret", "second\nsecret of lines"]
        let text = Array("a hunter2secret\nsecond\r\nsecret of lines\n\nhunter2 aHVudGVyMnNlY3JldA==\rend".utf8)
        func lines(_ pieces: [Int]) throws -> [String] {
            let path = FileManager.default.temporaryDirectory.appending(path: "log-\(UUID().uuidString)").path
            defer { unlink(path) }
            let log = try LogFile(at: path, masker: Masker(secrets: secrets))
            var start = 0
            for end in pieces + [text.count] {
                Array(text[start..<end]).withUnsafeBytes { log.output($0) }
                start = end
            }
            log.finish()
            return String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
                .split(separator: "\n").map { String($0.dropFirst(9)) }
        }
        let whole = try lines([])
        #expect(whole == ["| a ***", "| ***", "| ***", "| ", "| hunter2 ***A==", "| end"])
        for split in 0...text.count { #expect(try lines([split]) == whole, "split at \(split)") }
        #expect(try lines(Array(0..<text.count)) == whole)
    }

    @Test func `many secrets cost a long log little, also one that is full of their beginnings`() {
        let beginnings = (0..<50).map { String(repeating: "a", count: 100 + $0) + "b" }
        let text = [UInt8](repeating: UInt8(ascii: "a"), count: 1 << 20)
        // A search that began anew at each byte would take some 5 billion steps.
        let masker = Masker(secrets: beginnings)
        let began = ContinuousClock.now
        #expect(masker.masked(text) == text)
        #expect(ContinuousClock.now - began < .seconds(20))
    }
}
