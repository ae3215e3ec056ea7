import Testing

@testable import Shipit

/// What is wrong with a buildspec, and what CodeBuild lets pass: all of it with its place.
@Suite struct BuildspecFaultTests {
    private static let many = (1...99).map { "\($0)" }.joined(separator: ", ")

    @Test(arguments: ["0.2", "'0.2'", "0.20", "\"0.1\"", "0.1"])
    func `versions may be written as people write them`(version: String) {
        #expect(buildspecComplaints("version: \(version)\nphases: {build: {commands: [a]}}") == [])
    }

    @Test(arguments: ["0.0", "1.0", "0.3", "latest", "''", "[0.2]"])
    func `other versions are an error, as at AWS`(version: String) {
        #expect(buildspecComplaints("version: \(version)\nphases: {build: {commands: [a]}}").count == 1)
    }

    @Test(arguments: [
        ("", "b.yml:1:1: the file is empty, expected version: 0.2"),
        ("phases: {}", #"b.yml:1:1: "version" is missing, expected version: 0.2"#),
        ("version: 1.0\nphases: {}", "b.yml:1:10: version 1.0 is not known, expected 0.2 (or 0.1)"),
        ("version: 0.2", #"b.yml:1:1: "phases" is missing, expected phases with build: or others"#),
        (
            "version: 0.2\nphases:\nbuild: {commands: [a]}",
            #"b.yml:3:1: "build" stands beside phases, move it to the right so that it is part of it"#
        ),
        ("version: 0.2\nphases:", #"b.yml:2:8: "phases" is missing, expected phases with build: or others"#),
        (
            "version: 0.2\nphases: {build: {commands: [{a: b}]}}",
            "b.yml:2:29: an entry of commands wants text, found a mapping; put quotes around a text with a colon and a space"
        ),
        (
            "version: 0.2\nphases: {build: {commands: [[a]]}}",
            "b.yml:2:29: an entry of commands wants text, found a list"
        ),
        (
            "version: 0.2\nphases: {build: {commands: {a: b}}}",
            "b.yml:2:28: commands wants a list, found a mapping"
        ),
        (
            "version: 0.2\nphases: {build: {commands: [a], on-failure: RETY}}",
            #"b.yml:2:45: on-failure wants ABORT, CONTINUE, RETRY, RETRY-COUNT (0 to 100), RETRY-REGEX or RETRY-COUNT-REGEX, found "RETY"; did you mean RETRY?"#
        ),
        (
            "version: 0.2\nphases: {}\nenv: {shell: fish}",
            #"b.yml:3:14: shell wants bash or /bin/sh, found "fish""#
        ),
        (
            "version: 0.2\nphases: {}\nenv: {shell: cmd.exe}",
            "b.yml:3:14: the shell cmd.exe is for builds on Windows, expected bash or /bin/sh"
        ),
        ("version: 0.2\nphases: {}\nenv: {variables: {A: [c]}}", "b.yml:3:22: the variable A wants text"),
        (
            "version: 0.2\nphases: {}\nenv: {variables: [A=b]}",
            "b.yml:3:18: variables wants a mapping (key: value), found a list"
        ),
        (
            "version: 0.2\nphases: {}\nrun-as: 'a b'",
            #"b.yml:3:9: run-as wants the name of a user, found "a b""#
        ),
        (
            "version: 0.2\nphases: {}\nartifacts: {base-directory: dist}",
            "b.yml:3:12: artifacts has no files, expected a list such as - '**/*'"
        ),
        (
            "version: 0.2\nphases: {}\nartifacts: {files: [a], secondary-artifacts: {x: {files: []}}}",
            "b.yml:3:58: x has no files, expected a list such as - '**/*'"
        ),
        (
            "version: 0.2\nphases:\n\tbuild: {commands: [a]}",
            "b.yml:3:1: a tab cannot indent, expected spaces"
        ),
        (
            "version: 0.2\nbatch: {build-matrix: {dynamic: {env: {variables: {A: [\(Self.many)], B: [\(Self.many)]}}}}}",
            "b.yml:2:33: build-matrix makes 99 × 99 builds, at most 100 are done"
        ),
        (
            "version: 0.2\nphases: {}\nartifacts: {files: [x], secondary-artifacts: {b: {files: [y]}}}\nbatch: {build-list: [{identifier: a}, {identifier: a-b}]}",
            "b.yml:4:8: the build a-b and the secondary artifact b of the build a are both kept as a-b; rename one of them"
        ),
        (
            "version: 0.2\nphases: {}\nartifacts: {files: [a], base-directory: a/../../x}",
            #"b.yml:3:41: base-directory wants a folder inside the source, found "a/../../x""#
        ),
        (
            "version: 0.2\nphases: {}\nartifacts: {files: [a], base-directory: /x}",
            #"b.yml:3:41: base-directory wants a folder inside the source, found "/x""#
        ),
        (
            "version: 0.2\nphases: {}\nartifacts: {files: [a], secondary-artifacts: {'a/b': {files: [c]}}}",
            #"b.yml:3:47: "a/b" is no identifier, expected letters, digits, _ and -, at most 128"#
        ),
        (
            "version: 0.2\nbatch: {build-fanout: {parallelism: 2}}",
            "b.yml:2:23: build-fanout is not carried out here: it spreads the tests of one command over machines; expected build-list, or the command itself in phases"
        ),
        (
            "version: 0.2\nbatch: {fast-fail: true}",
            "b.yml:2:8: batch wants one of build-graph, build-list and build-matrix, found 0"
        ),
        (
            "version: 0.2\nbatch: {build-graph: [{identifier: a, depend-on: [b]}, {identifier: b, depend-on: [a]}]}",
            "b.yml:2:22: the builds a, b depend on one another in a circle"
        ),
        (
            "version: 0.2\nbatch: {build-graph: [{identifier: one, depend-on: [tow]}, {identifier: two}]}",
            "b.yml:2:22: one depends on tow, which is no build of the graph, did you mean two?"
        ),
        (
            "version: 0.2\nbatch: {build-list: [{identifier: a}, {identifier: a}]}",
            "b.yml:2:52: the identifier a stands twice"
        ),
        (
            "version: 0.2\nphases: {}\ncache: {paths: [a], action: restor}",
            #"b.yml:3:29: action wants restore or save, found "restor"; did you mean restore?"#
        ),
    ])
    func `what is wrong is named with its place`(yaml: String, expected: String) {
        #expect(buildspecComplaints(yaml).contains(expected), "\(buildspecComplaints(yaml))")
    }

    @Test(arguments: [
        (
            "phases: {biuld: {commands: [a]}}",
            #"b.yml:2:10: warning: unknown key "biuld" in phases, did you mean "build"?"#
        ),
        (
            "phases: {build: {commands: make}}",
            "b.yml:2:28: warning: commands is a single text, taken for a list of one"
        ),
        ("phases: {build: {commands: }}", "b.yml:2:28: warning: commands has no value: nothing is done"),
        ("phases: {build: {commands: [a, ~]}}", "b.yml:2:32: warning: an entry of commands is empty: left out"),
        ("phases: {build: {}}", "b.yml:2:17: warning: the phase build has no commands"),
        ("phases: {build: }", "b.yml:2:17: warning: the phase build is empty"),
        (
            "phases: {build: {steps: [a]}}",
            #"b.yml:2:18: warning: "steps" has no effect; commands: is the list of what to run"#
        ),
        (
            "phases: {install: {commands: [a], build: {commands: [b]}}}",
            #"b.yml:2:35: warning: "build" has no effect; it stands inside of install, move it out of there to the left"#
        ),
        (
            "phases: {build: {commands: [a], runtime-versions: {nodejs: 18}}}",
            "b.yml:2:51: warning: runtime-versions has no effect in build; it belongs to install"
        ),
        (
            "phases: {build: {commands: [a], commands: [b]}}",
            #"b.yml:2:33: warning: "commands" stands twice, first in line 2; the last one counts"#
        ),
        (
            "phases: {}\nenv: {variables: {A-B: c}}",
            #"b.yml:3:19: warning: "A-B" is not a name that a shell can read: left out"#
        ),
        (
            "phases: {}\nenv: {variables: {CODEBUILD_X: c}}",
            "b.yml:3:19: warning: CODEBUILD_X is not yours to set, names that begin with CODEBUILD_ are the builder's: left out"
        ),
        (
            "phases: {}\nenv: {exported-variables: [AWS_X]}",
            "b.yml:3:27: warning: exported-variables: names that begin with AWS_ are not exported: AWS_X is left out"
        ),
        (
            "phases: {}\nenv: {secrets-manager: {T: s:k}, exported-variables: [T]}",
            "b.yml:3:54: warning: exported-variables: T is a secret, which is never exported: left out"
        ),
        (
            "phases: {}\nproxy: {upload-artifacts: yes}",
            "b.yml:3:8: warning: proxy has no effect: artifacts and logs stay on this machine"
        ),
        (
            "phases: {}\nartifacts: {files: '**/*', type: zip}",
            #"b.yml:3:28: warning: "type" has no effect; an artifact is always a tarball here, and a zip at AWS"#
        ),
        (
            "phases: {}\nartifacts: {files: [a], discard-paths: maybe}",
            #"b.yml:3:40: warning: discard-paths wants yes or no, found "maybe": taken for no"#
        ),
        (
            "phases: {}\nartifacts: {}",
            "b.yml:3:12: warning: artifacts has no files: the whole workspace is packed, as without artifacts"
        ),
        (
            "phases: {}\nartifacts: {files: [], name: x}",
            "b.yml:3:20: warning: artifacts has no files: the whole workspace is packed, as without artifacts"
        ),
        (
            "phases: {}\nartifacts: {files: }",
            "b.yml:3:20: warning: artifacts has no files: the whole workspace is packed, as without artifacts"
        ),
        (
            "phases: {}\nartifacts: {files: [a], base-directory: ''}",
            "b.yml:3:41: warning: base-directory is empty, which is as good as none"
        ),
        (
            "phases: {}\nartifacts: {files: [a], name: ''}",
            "b.yml:3:31: warning: name is empty, which is as good as none"
        ),
        (
            "phases: {}\nartifacts: {files: [a, ../out/**]}",
            #"b.yml:3:20: warning: "../out/**" in files matches nothing: names are those within the source"#
        ),
        (
            "phases: {}\nartifacts: {files: [a, /tmp/x]}",
            #"b.yml:3:20: warning: "/tmp/x" in files matches nothing: names are those within the source"#
        ),
        (
            "phases: {}\nartifacts: {files: [a], s3-prefix: x}",
            "b.yml:3:36: warning: s3-prefix has no effect: artifacts stay on this machine"
        ),
        (
            "phases: {}\nartifacts: {secondary-artifacts: {x: {files: [a]}}}",
            "b.yml:3:12: warning: artifacts has no files: the artifact is what the secondary artifacts name together"
        ),
        (
            "phases: {}\nreports: {r: {files: [a], file-format: JUNIT}}",
            "b.yml:3:40: warning: file-format wants CUCUMBERJSON, JUNITXML, NUNITXML, NUNIT3XML, TESTNGXML, VISUALSTUDIOTRX, CLOVERXML, COBERTURAXML, JACOCOXML, SIMPLECOV, found \"JUNIT\": the report r is not read"
        ),
        (
            "phases: {}\nreports: {r: {file-format: JUNITXML}}",
            "b.yml:3:14: warning: the report r has no files, expected a list such as - '**/*.xml': the report r is not read"
        ),
        (
            "phases: {}\nreports: {r: {files: []}}",
            "b.yml:3:22: warning: files wants at least one name or glob: the report r is not read"
        ),
        (
            "phases: {}\nreports: {r: {files: [a], base-directory: /tmp/out}}",
            #"b.yml:3:43: warning: base-directory wants a folder inside the source, found "/tmp/out": the report r is not read"#
        ),
        (
            "phases: {}\nreports: [a]",
            "b.yml:3:10: warning: reports wants a mapping (key: value), found a list: no report is read"
        ),
        (
            "phases: {}\ncache: {paths: [../x]}",
            #"b.yml:3:17: warning: the cache path "../x" must not climb with ..: left out"#
        ),
        (
            "phases: {}\ncache: {paths: ['./**/*']}",
            #"b.yml:3:17: warning: the cache path "./**/*" is the whole source; build: { workspace: patched } in pipeline.yml keeps that: left out"#
        ),
        (
            "phases: {}\ncache: {paths: [a], key: '$(date)'}",
            #"b.yml:3:26: warning: key wants text, $NAME and $(codebuild-hash-files FILE), found "$(date)": nothing is kept under it"#
        ),
        (
            "phases: {}\ncache: {paths: [/go/pkg]}",
            #"b.yml:3:17: warning: the cache path "/go/pkg" is neither in the source nor in the build's home (/root, ~): left out"#
        ),
        (
            "phases: {}\ncache: {}",
            "b.yml:3:8: warning: cache has no paths, so nothing is kept; expected a list such as - 'node_modules/**/*'"
        ),
        (
            "phases: {}\ncache: {paths: [a], path: b}",
            #"b.yml:3:21: warning: unknown key "path" in cache, did you mean "paths"?"#
        ),
        (
            "phases: {}\ncache: {paths: [a], key: k, fallback-keys: [1, 2, 3, 4, 5, 6]}",
            "b.yml:3:44: warning: fallback-keys has 6 entries, the first 5 are tried"
        ),
        (
            "phases: {}\ncache: {paths: [a], fallback-keys: [b]}",
            "b.yml:3:36: warning: fallback-keys are left out, since there is no key"
        ),
        (
            "phases: {}\nnotes: x",
            #"b.yml:3:1: warning: unknown key "notes" in the buildspec, expected one of version, run-as, env, proxy, batch, phases, reports, artifacts, cache, environment_variables"#
        ),
    ])
    func `what CodeBuild lets pass is passed, and said`(lines: String, expected: String) {
        let found = buildspecComplaints("version: 0.2\n\(lines)")
        #expect(found.contains(expected), "\(found)")
        #expect(found.allSatisfy { $0.contains(": warning: ") }, "\(found)")
    }

    @Test func `a report that is wrong is skipped, and the others are read`() throws {
        let spec = try buildspec("reports: {a: {files: [{b: c}]}, d: {files: [e]}, f: {files: [g], file-format: x}}")
        #expect(spec.reports.map(\.name) == ["d"])
    }

    @Test func `all that is wrong is told at once, in the order of the file`() {
        let found = buildspecComplaints(
            "version: 3\nenv: {shell: x}\nphases: {build: {commands: [{a: b}]}}\nartifacts: {files: [], base-directory: a}"
        )
        #expect(found.map { $0.split(separator: ":")[1] } == ["1", "2", "3", "4"])
    }
}
