import Testing

@testable import Shipit

/// What the reader makes of YAML's odder corners in a file of AWS's, where the agent's reading decides (AWS reference 1.2).
@Suite struct YAMLTests {
    private static let head = "version: 0.0\nos: linux\n"

    private func parse(_ bytes: [UInt8]) -> (Appspec?, [Diagnostic]) {
        do throws(Diagnostics) {
            return try Appspec.parse(bytes, file: "appspec.yml")
        } catch {
            return (nil, error.all)
        }
    }

    private func parse(_ yaml: String) -> (Appspec?, [String]) {
        let (appspec, said) = parse(Array(yaml.utf8))
        return (appspec, said.map(\.description))
    }

    // MARK: Keys

    @Test func `the last of two equal keys counts, at every level, and each is said`() throws {
        let (read, said) = parse(
            """
            version: 0.0
            os: windows
            os: linux
            files:
              - source: a
                source: b
                destination: /x
            hooks:
              AfterInstall:
                - location: one
              AfterInstall:
                - location: two
                  "location": three
            """)
        let appspec = try #require(read)
        #expect(appspec.files == [Appspec.FileMapping(source: "b", destination: "x")])
        #expect(appspec.hooks[.afterInstall]?.map(\.location) == ["three"])
        #expect(
            said == [
                #"appspec.yml:3:1: warning: "os" stands twice, first in line 2; the last one counts"#,
                #"appspec.yml:6:5: warning: "source" stands twice, first in line 5; the last one counts"#,
                #"appspec.yml:11:3: warning: "AfterInstall" stands twice, first in line 9; the last one counts"#,
                #"appspec.yml:13:7: warning: "location" stands twice, first in line 12; the last one counts"#,
            ])
    }

    @Test func `in a policy a key that stands twice is a mistake, however deep`() {
        let nested = pipelineComplaints(smallPipeline + "    keep: 3\n    keep: 4\n")
        #expect(nested == [#"pipeline.yml:7:5: "keep" stands twice, first in line 6"#])
    }

    @Test(arguments: ["? [a, b]\n: c\n", "? {a: b}\n: c\n", "{a: b}: c\n"])
    func `a key that is no text is refused`(yaml: String) {
        #expect(
            parse(Self.head + yaml).1 == [
                "appspec.yml:3:\(yaml.hasPrefix("?") ? 3 : 1): a key of the appspec must be plain text"
            ])
    }

    // MARK: Aliases

    @Test func `aliases and merge keys are read, the mapping's own keys win, and AWS's refusal is said`() throws {
        let (read, said) = parse(
            Array(
                """
                version: 0.0
                os: linux
                hooks:
                  BeforeInstall:
                    - &script
                      location: scripts/a
                      timeout: 60
                      runas: root
                  AfterInstall:
                    - *script
                  ApplicationStart:
                    - <<: *script
                      location: scripts/b
                    - location: scripts/c
                      <<: [*script, {timeout: 5, sudo: yes}]
                """.utf8))
        let hooks = try #require(read).hooks
        #expect(hooks[.afterInstall] == [Appspec.Script(location: "scripts/a", timeout: 60, runas: "root")])
        #expect(
            hooks[.applicationStart] == [
                Appspec.Script(location: "scripts/b", timeout: 60, runas: "root"),
                Appspec.Script(location: "scripts/c", timeout: 60, runas: "root", sudo: true),
            ])
        #expect(said.count == 3 && said.allSatisfy { $0.severity == .warning && $0.onAWS?.contains("aliases") == true })
        #expect(said.first?.line == 10)
    }

    @Test(arguments: [
        ("files: *nothing", "appspec.yml:3:8: the alias *nothing names nothing that is complete before it"),
        ("files: &x [*x]", "appspec.yml:3:12: the alias *x names nothing that is complete before it"),
    ])
    func `an alias of nothing, or of what it lies in, is refused`(yaml: String, expected: String) {
        #expect(parse(Self.head + yaml).1 == [expected])
    }

    @Test func `a later anchor of the same name takes the earlier one's place`() throws {
        let yaml = Self.head + "a: &n one\nb: &n two\nfiles: [{source: *n, destination: /}]"
        #expect(try #require(parse(yaml).0).files.first?.source == "two")
    }

    /// What must end at once, and how it ends.
    private static let bombs: [(name: String, yaml: String, expected: String)] = {
        var lists = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n",
            text = "a0: &a0 \(String(repeating: "x", count: 900_000))\n"
        for level in 1...30 {
            lists += "a\(level): &a\(level) [\(Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", "))]\n"
            text += "b\(level): *a0\n"
        }
        let merges = (1...3000).map { "m\($0): &m\($0) {<<: [*m\($0 - 1), *m\($0 - 1)], k\($0): v}\n" }.joined()
        return [
            ("lists", lists, "the file has more than 10000 values"),
            ("text", text, "the file's text, with what aliases repeat, is larger than 4194304 bytes"),
            ("merges", "m0: &m0 {k: v}\n" + merges, "the file has more than 10000 values"),
            ("values", "a: [" + String(repeating: "b,", count: 200_000) + "]", "the file has more than 10000 values"),
            ("keys", (0..<60_000).map { "k\($0): v\n" }.joined(), "the file has more than 10000 values"),
            ("anchors", (0..<60_000).map { "- &a\($0) v\n" }.joined(), "the file has more than 10000 values"),
        ]
    }()

    @Test(arguments: 0..<6) func `bombs are refused in bounded time`(number: Int) {
        let bomb = Self.bombs[number]
        let began = ContinuousClock.now
        let said = parse(bomb.yaml).1
        #expect(said.contains { $0.hasSuffix(bomb.expected) }, "\(bomb.name): \(said.first ?? "nothing")")
        #expect(ContinuousClock.now - began < .seconds(5), "\(bomb.name)")
    }

    // MARK: Depth

    private static let nests: [(name: String, at: @Sendable (Int) -> String)] = [
        ("flow lists", { String(repeating: "[", count: $0) + String(repeating: "]", count: $0) }),
        ("open lists", { String(repeating: "[", count: $0) }),
        ("flow mappings", { String(repeating: "{a: ", count: $0) + String(repeating: "}", count: $0) }),
        ("pairs in lists", { String(repeating: "[a: ", count: $0) + String(repeating: "]", count: $0) }),
        ("dashes", { "\n" + String(repeating: "- ", count: $0) + "x" }),
        ("keys", { "\n" + String(repeating: "? ", count: $0) + "x" }),
        (
            "block mappings",
            { levels in "\n" + (0..<min(levels, 1200)).map { String(repeating: " ", count: $0) + "a:\n" }.joined() }
        ),
        ("lines of lists", { String(repeating: "[\n", count: $0) }),
    ]

    @Test(arguments: 0..<8, [101, 1_000, 5_000, 200_000, 1_000_000])
    func `nesting of any depth ends in a message and in no stack overflow`(kind: Int, levels: Int) {
        let (name, nest) = Self.nests[kind]
        let yaml = Self.head + "x: " + nest(levels)
        let began = ContinuousClock.now
        let said = parse(yaml).1
        #expect(said.count == 1, "\(name): \(said.prefix(3))")
        if yaml.utf8.count <= YAMLReader.sizeLimit {
            #expect(said.first?.contains("nested more than 100 levels deep") == true, "\(name): \(said)")
        }
        #expect(ContinuousClock.now - began < .seconds(5), "\(name)")
    }

    @Test func `nesting that people write is read`() {
        let deep = String(repeating: "[", count: 90) + String(repeating: "]", count: 90)
        #expect(parse(Self.head + "x: " + deep).0 != nil)
    }

    // MARK: Size

    @Test func `a text of fifty megabytes is not read`() {
        let bytes = Array((Self.head + "x: ").utf8) + [UInt8](repeating: UInt8(ascii: "x"), count: 50 << 20)
        #expect(parse(bytes).1.map(\.message) == ["the file has \(bytes.count) bytes, at most 1048576 are read"])
    }

    @Test(arguments: ["'", "\"", "|\n  ", ">\n  ", "# ", "? "])
    func `one value of a megabyte is read or refused at once`(opening: String) {
        let began = ContinuousClock.now
        _ = parse(Self.head + "x: " + opening + String(repeating: "ab ", count: 340_000))
        #expect(ContinuousClock.now - began < .seconds(5))
    }

    // MARK: Letters

    @Test func `a byte order mark is taken off, and that AWS fails on it is said`() {
        let (read, said) = parse([0xEF, 0xBB, 0xBF] + Array(Self.head.utf8))
        #expect(read != nil)
        #expect(
            said.map(\.description) == [
                "appspec.yml:1:1: warning: the file begins with a byte order mark; save it without"
            ])
        #expect(said.first?.onAWS == "the version is not found, and the deployment fails")
        #expect(
            parse("# x\n\u{FEFF}" + Self.head).1 == ["appspec.yml:2:1: a control character (code 65279) is not allowed"]
        )
    }

    @Test func `Windows line ends change nothing`() {
        let (read, said) = parse(
            (Self.head + "files:\n  - source: a\n    destination: /b\n").replacing("\n", with: "\r\n"))
        #expect(read?.files == [Appspec.FileMapping(source: "a", destination: "b")] && said.isEmpty)
    }

    @Test(arguments: [
        ("files:\n\t- source: a", "appspec.yml:4:1: a tab cannot indent, expected spaces"),
        ("files:\n  - source: a\n\t  destination: /", "appspec.yml:5:1: a tab cannot indent, expected spaces"),
        ("hooks:\n  AfterInstall:\n  \t- location: a", "appspec.yml:5:3: a tab cannot indent, expected spaces"),
    ])
    func `a tab in the indentation is said by its name`(yaml: String, expected: String) {
        #expect(parse(Self.head + yaml).1 == [expected])
    }

    @Test func `a tab between a key and its value is none of the indentation`() {
        #expect(parse("version:\t0.0\nos: linux\t# yes\n").0 != nil)
    }

    // MARK: Documents, directives, tags

    @Test(arguments: [
        "---\nversion: 0.0\nos: linux\n---\nversion: 7\n", "version: 0.0\nos: linux\n...\n---\n[broken\n",
        "version: 0.0\nos: linux\n--- text\n",
    ])
    func `only the first document is read`(yaml: String) {
        let (read, said) = parse(yaml)
        #expect(
            read != nil && said.count == 1 && said[0].hasSuffix("warning: only the first document is read"), "\(said)")
    }

    @Test func `a policy is one document`() {
        #expect(
            pipelineComplaints(smallPipeline + "---\na: b\n") == [
                "pipeline.yml:6:1: the file holds more than one document"
            ])
    }

    @Test func `marks of a document's beginning and end, and directives, change nothing`() {
        #expect(parse("%YAML 1.1\n---\n" + Self.head + "...\n").0 != nil)
        #expect(parse("---\n" + Self.head).1 == [])
        #expect(parse("%YAML 2.0\n---\n" + Self.head).1 == ["appspec.yml:1:1: found incompatible YAML document"])
    }

    @Test(arguments: ["---\n---\n" + head, "--- ~\n", "# nothing\n", " \n\n", "null"])
    func `a first document without a value is an empty file`(yaml: String) {
        #expect(parse(yaml).1.contains("appspec.yml:1:1: the file is empty, expected at least version and os"))
    }

    @Test func `a type of YAML's own is text as everything is, and one of text is as good as quotes`() {
        #expect(parse("version: !!float 0.0\nos: !!str linux\nfiles: !!seq []\nhooks: !!map {}\n").0 != nil)
        #expect(
            parse("version: !!str 0.0\nos: linux\n").1 == [
                #"appspec.yml:1:10: version "0.0" is not valid, expected 0.0"#
            ])
    }

    @Test(arguments: [
        ("!Ref Name", "!Ref"), ("!Sub [a]", "!Sub"), ("!!binary aGk=", "!!binary"), ("!GetAtt {a: b}", "!GetAtt"),
    ])
    func `a tag of another program is refused`(value: String, tag: String) {
        #expect(
            parse(Self.head + "x: " + value).1.contains(
                "appspec.yml:3:4: the tag \(tag) has no meaning here, expected plain text"))
    }

    @Test(arguments: [
        ("hooks:\n  - a\n b: c", "that begins in line 1"), ("files: 'open", "while scanning a quoted scalar"),
        ("a: b: c", "appspec.yml:3:5: mapping values are not allowed in this context"),
    ])
    func `broken YAML is said with its place, and with where it began`(yaml: String, expected: String) {
        let said = parse(Self.head + yaml).1
        #expect(said.count == 1 && said[0].contains(expected), "\(said)")
    }

    @Test(arguments: 0..<20) func `no bytes trap`(seed: Int) {
        var random = Seeded(seed: UInt64(seed))
        let words = [
            "version: 0.0\n", "os: linux\n", "files:\n", "  - ", "source: ", "destination: /", "hooks:\n", "<<: ", "*a",
            "&a ", "\n",
            "\t", "!x ", "---\n", "...\n", "%YAML", "[", "]", "{", "}", "'", "\"", "|\n", ">", "? ", ": ", "#",
            "\u{85}", "é", "\r",
        ]
        for _ in 0..<300 {
            let yaml = (0..<Int.random(in: 0...40, using: &random)).map { _ in words.randomElement(using: &random) ?? ""
            }
            var bytes = Array(yaml.joined().utf8)
            if !bytes.isEmpty, Bool.random(using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            let (read, said) = parse(bytes)
            #expect(read != nil || said.contains { $0.severity == .error })
        }
    }
}
