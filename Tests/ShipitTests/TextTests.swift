import Testing

@testable import Shipit
@testable import ShipitCLI

@Suite struct DurationTests {
    @Test(
        arguments: [
            ("1s", 1.0), ("45s", 45), ("10m", 600), ("2h", 7200), ("1d", 86_400), ("366d", 366 * 86_400), ("007m", 420),
        ] as [(String, Double)])
    func `a duration is a number and a unit`(text: String, seconds: Double) {
        #expect(Duration(text: text)?.inSeconds == seconds)
    }

    @Test(arguments: [
        "", "s", "1", "0s", "-1s", "+1s", "1.5h", "1 s", "367d", "1w", "99999999999999999999s", "1S", "１s", "1m30s",
    ])
    func `anything else is none`(text: String) { #expect(Duration(text: text) == nil) }

    @Test(
        arguments: [
            (0.0, "0 ms"), (0.4, "400 ms"), (0.9994, "999 ms"), (0.9996, "1.0 s"), (9.94, "9.9 s"), (59.4, "59 s"),
            (60, "1 min"),
            (200, "3 min 20 s"), (3600, "1 h 0 min"), (7500, "2 h 5 min"),
        ] as [(Double, String)])
    func `durations are said as people say them`(seconds: Double, text: String) {
        #expect(Duration.seconds(seconds).spoken == text)
    }
}

@Suite struct GlobTests {
    @Test(arguments: [
        ("main", "main", true), ("main", "mainx", false), ("", "", true), ("", "a", false), ("*", "abc", true),
        ("*", "a/b", false),
        ("*", "", true), ("a*c", "abbc", true), ("a*c", "ab/c", false), ("?", "a", true), ("?", "/", false),
        ("?", "", false),
        ("**", "a/b/c", true), ("**", "", true), ("**/*", "a", true), ("**/*", "a/b/c.txt", true),
        ("**/*.js", "x.js", true),
        ("**/*.js", "a/b/x.js", true), ("**/*.js", "a/b/x.jsx", false), ("a/**/b", "a/b", true),
        ("a/**/b", "a/x/y/b", true),
        ("a/**/b", "ab", false), ("a/**", "a/x/y", true), ("a/**", "a", false), ("a**b", "a/x/b", true),
        ("release/*", "release/1", true),
        ("release/*", "release/1/2", false), ("**/node_modules/**", "a/node_modules/b", true),
        ("**/node_modules/**", "node_modules/b", true), ("**/x", "yx", false), ("[ab]", "a", false),
        ("[ab]", "[ab]", true),
        ("a.b", "axb", false), ("***/x", "a/x", true), ("**/**/x", "x", true), ("ä*", "äö", true), ("\\*", "\\x", true),
    ])
    func `a pattern matches as CodeBuild's do`(pattern: String, name: String, isMatch: Bool) {
        #expect(Glob(pattern).matches(name) == isMatch)
    }

    @Test func `ten thousand random patterns never trap, and match what a plain search matches`() {
        var random = SystemRandomNumberGenerator()
        let alphabet = Array("ab/*?*".utf8), letters = Array("ab/".utf8)
        for _ in 0..<10_000 {
            let pattern = (0..<Int.random(in: 0...8, using: &random)).map { _ in
                alphabet.randomElement(using: &random) ?? 0
            }
            let name = (0..<Int.random(in: 0...8, using: &random)).map { _ in letters.randomElement(using: &random) ?? 0
            }
            let found = Glob(String(decoding: pattern, as: UTF8.self)).matches(name)
            let expected = Self.matches(pattern[...], name[...], atStart: true)
            #expect(
                found == expected,
                "\(String(decoding: pattern, as: UTF8.self)) on \(String(decoding: name, as: UTF8.self))")
        }
    }

    /// The rules said in the plainest way, without a thought for time.
    private static func matches(_ pattern: ArraySlice<UInt8>, _ name: ArraySlice<UInt8>, atStart: Bool) -> Bool {
        let (star, slash, any) = (UInt8(ascii: "*"), UInt8(ascii: "/"), UInt8(ascii: "?"))
        guard let first = pattern.first else { return name.isEmpty }
        if first == star, pattern.dropFirst().first == star {
            let rest = pattern.drop { $0 == star }
            if atStart, rest.first == slash {
                let after = rest.dropFirst()
                if matches(after, name, atStart: true) { return true }
                return name.indices.contains { name[$0] == slash && matches(after, name[($0 + 1)...], atStart: true) }
            }
            return (name.startIndex...name.endIndex).contains { matches(rest, name[$0...], atStart: false) }
        }
        if first == star {
            let rest = pattern.dropFirst()
            var index = name.startIndex
            while true {
                if matches(rest, name[index...], atStart: false) { return true }
                guard index < name.endIndex, name[index] != slash else { return false }
                index += 1
            }
        }
        guard let byte = name.first, first == any ? byte != slash : byte == first else { return false }
        return matches(pattern.dropFirst(), name.dropFirst(), atStart: first == slash)
    }

    @Test func `a pattern that is made to be slow is not`() {
        let pattern = Glob(String(repeating: "*a", count: 500)), name = String(repeating: "a", count: 499) + "b"
        let began = ContinuousClock.now
        #expect(!pattern.matches(name))
        #expect(ContinuousClock.now - began < .seconds(5))
    }
}

@Suite struct EnvironmentFileTests {
    @Test(arguments: [
        "plain", "", " ", "two words", "\"quoted\"", "a\\b", "line\nline", "tab\there", "cr\rlf\r\n", "ünï",
        "#no comment", "=",
        "secret A=b", "$HOME `x`", "'", "\u{1B}[31m",
    ])
    func `a value comes back as it went in`(value: String) throws {
        var file = EnvironmentFile()
        file.set("A", to: value, isSecret: false)
        file.set("B", to: value, isSecret: true)
        file.set("_c9", to: "last", isSecret: false)
        let again = try EnvironmentFile(parsing: file.text, file: "staging.env")
        #expect(again == file)
        #expect(again.variables == ["A": value, "B": value, "_c9": "last"])
        #expect(again.secrets == [value])
    }

    @Test func `people may write it by hand`() throws {
        let text = "# comment\n\n  PORT=8080\r\nsecret TOKEN=\"a\\nb\"\t\nPORT=8081\n"
        let file = try EnvironmentFile(parsing: text, file: "staging.env")
        #expect(file.variables == ["PORT": "8081", "TOKEN": "a\nb"])
        #expect(file.secrets == ["a\nb"])
    }

    @Test func `all that is wrong is said with its line`() {
        do throws(Diagnostics) {
            _ = try EnvironmentFile(
                parsing: "A=1\nnonsense\n1A=x\nB=\"open\nC=\"a\\x\"\nexport D=1\n", file: "staging.env")
            Issue.record("it was accepted")
        } catch {
            #expect(
                error.all.map(\.description) == [
                    "staging.env:2:1: expected NAME=value or secret NAME=value",
                    "staging.env:3:1: expected NAME=value or secret NAME=value",
                    "staging.env:4:1: the quoted value does not end, or has an unknown escape",
                    "staging.env:5:1: the quoted value does not end, or has an unknown escape",
                    "staging.env:6:1: expected NAME=value or secret NAME=value",
                ])
        }
    }

    @Test func `unset says whether there was one`() {
        var file = EnvironmentFile()
        file.set("A", to: "1", isSecret: false)
        let first = file.unset("A")
        let second = file.unset("A")
        #expect(first && !second && file.entries.isEmpty)
    }
}

@Suite struct VisibleLineTests {
    @Test(arguments: [
        ("plain", "plain"), ("ünï ✓ 漢", "ünï ✓ 漢"), ("a\tb", "a\tb"), ("a\nb", "a^Jb"), ("\u{1B}[2J", "^[[2J"),
        ("a\rb", "a^Mb"),
        ("\0", "^@"), ("\u{7F}", "\\u{7f}"), ("\u{9B}31m", "\\u{9b}31m"), ("\u{202E}x", "\\u{202e}x"),
        ("\u{2066}", "\\u{2066}"),
        ("\u{FEFF}", "\\u{feff}"), ("\u{2028}", "\\u{2028}"),
    ])
    func `nothing in a line can move the cursor or turn the text`(text: String, shown: String) {
        #expect(visibleLine(text) == shown)
    }
}

@Suite struct JSONTests {
    @Test func `keys keep their order, and nothing is left out`() {
        let value: JSON = ["z": 1, "a": nil, "list": [], "object": [:], "flag": true, "more": ["x", 2]]
        #expect(
            value.text == """
                {
                  "z": 1,
                  "a": null,
                  "list": [],
                  "object": {},
                  "flag": true,
                  "more": [
                    "x",
                    2
                  ]
                }
                """)
    }

    @Test(arguments: [
        ("a\"b", #""a\"b""#), ("a\\b", #""a\\b""#), ("\n\r\t", #""\n\r\t""#), ("\u{1B}", #""\u001b""#),
        ("\0", #""\u0000""#),
        ("\u{7F}\u{9B}", #""\u007f\u009b""#), ("é漢🙂", #""é漢🙂""#), ("</script>", #""</script>""#),
    ])
    func `a string is quoted so that every reader reads the same`(text: String, quoted: String) {
        #expect(JSON.string(text).text == quoted)
    }

    @Test func `durations have milliseconds, and what is no number is null`() {
        #expect(JSON(1.23456).text == "1.235")
        #expect(JSON.number(.nan).text == "null")
        #expect(JSON(nil as String?).text == "null")
        #expect(JSON(Timestamp(milliseconds: 0)).text == #""1970-01-01T00:00:00.000Z""#)
        #expect(JSON(Timestamp(milliseconds: 1_700_000_000_123)).text == #""2023-11-14T22:13:20.123Z""#)
        #expect(JSON(Timestamp(milliseconds: -1)).text == #""1969-12-31T23:59:59.999Z""#)
    }
}
