import Testing

@testable import Shipit

/// Forms that people write, and CodeBuild reads.
@Suite struct BuildspecFormTests {
    @Test func `every key of version 0_2 is read`() throws {
        let yaml = """
            version: 0.2
            run-as: builder
            env:
              shell: bash
              variables: {A: 1}
              parameter-store: {P: /app/p}
              secrets-manager: {S: 'prod/db:password'}
              exported-variables: [V, W]
              git-credential-helper: yes
            proxy: {upload-artifacts: no, logs: no}
            phases:
              install:
                run-as: root
                on-failure: ABORT
                runtime-versions: {nodejs: 18, python: 3.x, java: corretto17, ruby: $RUBY}
              pre_build: {commands: [a], on-failure: RETRY}
              build: {commands: [a], finally: [b], on-failure: 'RETRY-5-.*timed out.*'}
              post_build: {commands: [a], on-failure: CONTINUE}
            reports:
              unit: {files: ['**/*.xml'], base-directory: out, discard-paths: yes}
              cover: {files: c.json, file-format: SimpleCov}
            artifacts:
              files: ['**/*']
              name: app-$(date +%Y)
              base-directory: 'target*'
              enable-symlinks: yes
              secondary-artifacts:
                docs: {files: ['**/*'], base-directory: docs}
            cache: {paths: [a]}
            """
        let (spec, warnings) = try Buildspec.parse(Array(yaml.utf8), file: "b.yml")
        #expect(spec.runAs == "builder" && spec.phases[.install]?.runAs == "root")
        #expect(spec.shell == .bash && spec.variables == ["A": "1"])
        #expect(
            spec.secrets.map(\.name) == ["P", "S"] && spec.secrets.map(\.reference) == ["/app/p", "prod/db:password"])
        #expect(spec.exported == ["V", "W"] && spec.wantsCredentialHelper)
        #expect(spec.runtimes.map(\.name) == ["nodejs", "python", "java", "ruby"])
        #expect(spec.runtimes.map(\.version) == ["18", "3.x", "corretto17", "$RUBY"])
        #expect(spec.phases[.install]?.onFailure == .abort)
        #expect(spec.phases[.preBuild]?.onFailure == .retry(times: 3, pattern: nil))
        #expect(spec.phases[.build]?.onFailure == .retry(times: 5, pattern: ".*timed out.*"))
        #expect(spec.phases[.postBuild]?.onFailure == .continue)
        #expect(spec.reports.map(\.format) == [.jUnitXML, .simpleCov] && spec.reports[0].baseDirectory == "out")
        #expect(spec.artifacts?.name == "app-$(date +%Y)" && spec.artifacts?.baseDirectory == "target*")
        #expect(spec.artifacts?.secondary.map(\.identifier) == ["docs"])
        #expect(warnings.map(\.line) == [9, 10, 21], "\(warnings)")
    }

    @Test(arguments: [
        ("RETRY-0", Buildspec.OnFailure.retry(times: 0, pattern: nil)), ("RETRY-100", .retry(times: 100, pattern: nil)),
        ("RETRY-.*", .retry(times: 3, pattern: ".*")), ("RETRY-2-a-b", .retry(times: 2, pattern: "a-b")),
        ("RETRY-5xx", .retry(times: 3, pattern: "5xx")), ("ABORT", .abort), ("CONTINUE", .continue),
        ("abort", .abort), ("Retry-3-.*Timed out", .retry(times: 3, pattern: ".*Timed out")),
    ])
    func `on-failure has a count and a pattern`(text: String, expected: Buildspec.OnFailure) {
        #expect(Buildspec.OnFailure(text) == expected)
    }

    @Test(arguments: ["RETRY-101", "RETRY-", "again", "", "RETRY--", "ABORT-1"])
    func `other words are none`(text: String) {
        let found = Buildspec.OnFailure(text)
        #expect(found == nil || text == "RETRY--" && found == .retry(times: 3, pattern: "-"))
    }

    @Test func `numbers and truths are commands as they were written`() throws {
        let yaml = "version: 0.2\nphases: {build: {commands: [true, 0644, yes, 1.50, !!str 7]}}"
        let spec = try Buildspec.parse(Array(yaml.utf8), file: "b.yml").0
        #expect(spec.phases[.build]?.commands == ["true", "0644", "yes", "1.50", "7"])
    }

    @Test func `version 0_1 has its variables elsewhere and a type`() throws {
        let yaml = """
            version: 0.1
            environment_variables:
              plaintext: {A: "1"}
            phases: {build: {commands: [a]}}
            artifacts: {type: zip, files: [a]}
            """
        let (spec, warnings) = try Buildspec.parse(Array(yaml.utf8), file: "b.yml")
        #expect(spec.version == .one && spec.variables == ["A": "1"] && warnings.isEmpty)
    }

    @Test func `the last of two keys counts, deep down and in quotes too`() throws {
        let yaml = """
            version: 0.2
            env: {variables: {A: 1, "A": 2, A: 3}}
            phases:
              build:
                commands: [a]
              install:
                commands: [x]
              build:
                commands: [b]
            """
        let (spec, warnings) = try Buildspec.parse(Array(yaml.utf8), file: "b.yml")
        #expect(spec.variables == ["A": "3"])
        #expect(spec.phases[.build]?.commands == ["b"] && spec.phases[.install]?.commands == ["x"])
        #expect(warnings.map(\.line) == [2, 2, 8], "\(warnings)")
    }

    @Test func `anchors, aliases, merge keys, Windows line ends, a BOM and a second document are read`() throws {
        let yaml = """
            version: 0.2\r
            x-common: &common {commands: [a], finally: [f]}\r
            phases:\r
              build: {<<: *common, finally: [g]}\r
              post_build: *common\r
            ---\r
            other: 1\r
            """
        let spec = try Buildspec.parse([0xEF, 0xBB, 0xBF] + Array(yaml.utf8), file: "b.yml").0
        #expect(spec.phases[.build] == Buildspec.Phase(commands: ["a"], finally: ["g"]))
        #expect(spec.phases[.postBuild] == Buildspec.Phase(commands: ["a"], finally: ["f"]))
    }

    @Test func `keys without a value are as if they were not there`() throws {
        let spec = try buildspec(
            """
            run-as:
            env: {shell: , variables: , exported-variables: , parameter-store: ~}
            proxy:
            reports:
            artifacts:
            cache:
            batch: ~
            """)
        #expect(spec.artifacts == nil && spec.cache == nil && spec.batch == nil && spec.reports.isEmpty)
    }

    @Test func `paths may say where the source is`() throws {
        let spec = try buildspec(
            "artifacts: {files: ['$CODEBUILD_SRC_DIR/out/*', './a'], base-directory: '${CODEBUILD_SRC_DIR}/x/../y/'}")
        #expect(spec.artifacts?.files.map(\.pattern) == ["out/*", "a"])
        #expect(spec.artifacts?.baseDirectory == "y")
    }

    // MARK: Batches

    @Test func `a graph is put into an order in which it can be built`() throws {
        let spec = try Buildspec.parse(
            Array(
                """
                version: 0.2
                batch:
                  fast-fail: true
                  build-graph:
                    - {identifier: c, depend-on: [a, b], buildspec: c.yml}
                    - {identifier: a, env: {variables: {X: 1}, compute-type: BUILD_GENERAL1_SMALL}}
                    - {identifier: b, depend-on: [a], ignore-failure: true}
                """.utf8), file: "b.yml"
        ).0
        let batch = try #require(spec.batch)
        #expect(batch.failsFast && batch.tasks.map(\.identifier) == ["a", "b", "c"])
        #expect(batch.tasks[0].variables == ["X": "1"] && batch.tasks[1].ignoresFailure)
        #expect(batch.tasks[2].buildspec == "c.yml" && batch.tasks[2].dependsOn == ["a", "b"])
    }

    @Test func `a matrix is the product of its lists`() throws {
        let spec = try buildspec(
            """
            batch:
              build-matrix:
                static: {ignore-failure: yes, env: {variables: {S: s}}}
                dynamic:
                  buildspec: [a.yml, b.yml]
                  env: {variables: {X: [1, 2], Y: [z]}}
            """)
        let tasks = try #require(spec.batch?.tasks)
        #expect(
            tasks.map { [$0.buildspec, $0.variables["X"], $0.variables["Y"], $0.variables["S"]] } == [
                ["a.yml", "1", "z", "s"], ["a.yml", "2", "z", "s"], ["b.yml", "1", "z", "s"], ["b.yml", "2", "z", "s"],
            ])
        #expect(tasks.map(\.identifier) == ["matrix_1", "matrix_2", "matrix_3", "matrix_4"])
        #expect(tasks.map(\.ignoresFailure) == [true, true, true, true])
    }

    // MARK: Anything

    @Test func `random buildspecs end in a model or in a message`() {
        var generator = Generator(state: 11)
        for _ in 0..<1500 {
            let yaml = generator.buildspec()
            do throws(Diagnostics) {
                let (spec, warnings) = try Buildspec.parse(Array(yaml.utf8), file: "b.yml")
                let isEmpty = spec.phases.values.contains { $0.commands.contains("") }
                #expect(!isEmpty && warnings.allSatisfy { $0.severity == .warning })
            } catch {
                #expect(!error.errors.isEmpty, "\(yaml)")
                let isSilent = error.all.contains { $0.message.isEmpty }
                #expect(!isSilent, "\(yaml)")
            }
        }
    }
}

/// Buildspecs that are right, nearly right, and cut or changed somewhere.
private struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state >> 17 ^ state << 31
    }

    private static let keys = [
        "version", "run-as", "env", "proxy", "batch", "phases", "reports", "artifacts", "cache", "shell", "variables",
        "parameter-store", "secrets-manager", "exported-variables", "git-credential-helper", "install", "pre_build",
        "build", "post_build", "commands", "finally", "on-failure", "runtime-versions", "files", "name",
        "discard-paths", "base-directory", "exclude-paths", "enable-symlinks", "s3-prefix", "secondary-artifacts",
        "paths", "key", "fallback-keys", "action", "build-graph", "build-list", "build-matrix", "build-fanout",
        "identifier", "depend-on", "ignore-failure", "dynamic", "static", "file-format", "<<", "commands", "A", "é",
    ]
    private static let scalars = [
        "0.2", "0.1", "yes", "~", "", "a", "'b c'", "\"\\u0041\"", "**/*", "'**/*'", "RETRY-3-(", "RETRY", "bash",
        "&x 1", "*x", "!!int 3", "$(date)", "'$(codebuild-hash-files a)'", "../..", "/etc", "a: b", "\t", "|\n  x\n",
        "JUNITXML", "restore", "99999999999999999999", "-", "{", "]", "#", "@", "%", "`",
    ]

    mutating func buildspec() -> String {
        var text = "version: 0.2\n" + mapping(4, "")
        guard Int.random(in: 0..<3, using: &self) == 0 else { return text }
        // Somewhere a character goes, or one comes.
        let at = text.index(text.startIndex, offsetBy: Int.random(in: 0..<text.count, using: &self))
        if Bool.random(using: &self) { text.remove(at: at) } else { text.insert(contentsOf: scalar(), at: at) }
        return text
    }

    private mutating func scalar() -> String { Self.scalars.randomElement(using: &self) ?? "" }

    private mutating func mapping(_ depth: Int, _ indent: String) -> String {
        (0..<Int.random(in: 1...4, using: &self)).map { _ in
            let key = Self.keys.randomElement(using: &self) ?? ""
            return "\(indent)\(key):" + value(depth - 1, indent + "  ")
        }.joined()
    }

    private mutating func value(_ depth: Int, _ indent: String) -> String {
        switch Int.random(in: 0..<(depth > 0 ? 5 : 1), using: &self) {
        case 0: return " \(scalar())\n"
        case 1:
            let entries = (0..<Int.random(in: 0...3, using: &self)).map { _ in "\(indent)- \(scalar())\n" }
            return "\n" + entries.joined()
        default: return "\n" + mapping(depth, indent)
        }
    }
}
