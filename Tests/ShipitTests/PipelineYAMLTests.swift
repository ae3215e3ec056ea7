import Testing

@testable import Shipit

/// Files that are no policy, and may have been made to hurt.
@Suite struct PipelineYAMLTests {
    @Test(arguments: [
        ("", "pipeline.yml:1:1: the file is empty, expected a policy"),
        ("\n\n# nothing\n", "pipeline.yml:1:1: the file is empty, expected a policy"),
        ("just text", #"pipeline.yml:1:1: pipeline.yml wants a mapping (key: value), found "just text""#),
        ("- a\n- b", "pipeline.yml:1:1: pipeline.yml wants a mapping (key: value), found a list"),
    ])
    func `a file that is no mapping is said to be none`(yaml: String, expected: String) {
        #expect(pipelineComplaints(yaml).first == expected)
    }

    @Test func `a key that stands twice is refused with its name and place`() {
        let found = pipelineComplaints("app: a\napp: b\n" + smallPipeline.dropFirst("app: blog\n".count))
        #expect(found == ["pipeline.yml:2:1: \"app\" stands twice, first in line 1"])
    }

    @Test func `a control character is refused with its place`() {
        #expect(
            pipelineComplaints("app: bl\u{1B}[31mog\n") == [
                "pipeline.yml:1:8: a control character (code 27) is not allowed"
            ])
        #expect(
            pipelineComplaints("app: x\n# \u{202E}gnp\n") == [
                "pipeline.yml:2:3: a control character (code 8238) is not allowed"
            ])
        #expect(pipelineComplaints("app: x\n\0") == ["pipeline.yml:2:1: a control character (code 0) is not allowed"])
    }

    @Test func `bytes that are no text are refused`() {
        #expect(pipelineComplaints([0x61, 0xFF, 0xFE]) == ["pipeline.yml:1:2: the file is not UTF-8 text"])
        for mark: [UInt8] in [[0xFF, 0xFE], [0xFE, 0xFF]] {
            #expect(
                pipelineComplaints(mark + [0x61, 0x00]) == [
                    "pipeline.yml: the file is UTF-16 text, expected UTF-8; save it in that encoding"
                ])
        }
    }

    @Test func `a byte order mark and Windows line ends change nothing`() throws {
        let plain = try Pipeline.parse(Array(smallPipeline.utf8), file: "p").pipeline
        #expect(try Pipeline.parse([0xEF, 0xBB, 0xBF] + Array(smallPipeline.utf8), file: "p").pipeline == plain)
        #expect(
            try Pipeline.parse(Array(smallPipeline.replacing("\n", with: "\r\n").utf8), file: "p").pipeline == plain)
    }

    @Test func `places are right in a file with Windows line ends`() {
        #expect(
            pipelineComplaints((smallPipeline + "colour: red\n").replacing("\n", with: "\r\n")).first?.hasPrefix(
                "pipeline.yml:6:1: ")
                == true)
    }

    @Test func `a file of two mebibytes is not read`() {
        let found = pipelineComplaints(smallPipeline + "#" + String(repeating: "x", count: 2 << 20))
        #expect(
            found == [
                "pipeline.yml: the file has \(smallPipeline.utf8.count + 1 + (2 << 20)) bytes, at most 1048576 are read"
            ])
    }

    @Test func `a bomb of aliases is refused in bounded time`() {
        var yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
        for level in 1...30 {
            let references = Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", ")
            yaml += "a\(level): &a\(level) [\(references)]\n"
        }
        let began = ContinuousClock.now
        #expect(!pipelineComplaints(yaml).isEmpty)
        #expect(!pipelineComplaints(smallPipeline + "triggers: &t [{branches: [*t]}]\n").isEmpty)
        #expect(!pipelineComplaints(yaml + "environments: *a30\n").isEmpty)
        #expect(ContinuousClock.now - began < .seconds(20))
    }

    @Test(arguments: [("[", "]"), ("{a: ", "}")])
    func `very deep nesting is refused`(open: String, close: String) {
        for depth in [100, 1_000, 20_000, 100_000] {
            let nested = String(repeating: open, count: depth) + String(repeating: close, count: depth)
            #expect(!pipelineComplaints(smallPipeline + "colour: " + nested).isEmpty)
        }
        #expect(!pipelineComplaints(String(repeating: "- ", count: 50_000) + "x").isEmpty)
    }

    @Test func `a file with too many values is refused`() {
        let names = (0..<20_000).map { "b\($0)" }.joined(separator: ", ")
        #expect(
            pipelineComplaints(smallPipeline + "triggers: [{branches: [\(names)]}]").contains {
                $0.contains("the file has more than 10000 values")
            })
    }

    @Test func `a thousand mistakes give a bounded answer`() {
        let found = pipelineComplaints(smallPipeline + (0..<1000).map { "wrong\($0): 1\n" }.joined())
        #expect(!found.isEmpty && found.count <= 100)
    }

    @Test func `broken YAML is said with its place`() {
        for yaml in [
            "app: [a, b", "app: 'x", "a: b: c", "\tapp: x", "app: *missing", "%YAML 9.9\n---\n%", "a: !!int {",
        ] {
            let found = pipelineComplaints(yaml)
            #expect(found.count == 1 && found[0].hasPrefix("pipeline.yml:"), "\(yaml): \(found)")
        }
    }

    @Test func `random bytes never trap`() {
        var random = SystemRandomNumberGenerator()
        let alphabet = Array("ab:-[]{}&*!|>'\"%#?, \n\t\\~.0".utf8)
        for _ in 0..<3000 {
            let bytes = (0..<Int.random(in: 0...60, using: &random)).map { _ in
                alphabet.randomElement(using: &random) ?? 0
            }
            _ = pipelineComplaints(bytes)
        }
    }
}
