import Foundation
import Testing

@testable import Shipit

/// What one command of a build leaves for the next, and what it never leaves.
@Suite struct BuildStateTests {
    private func out(_ shell: String, _ commands: [String], files: [String: String] = [:]) async throws -> (
        World, String?
    ) {
        let lines = commands.map { "      - |\n\($0.split(separator: "\n").map { "        \($0)\n" }.joined())" }
        let world = try await World.building(
            "version: 0.2\nenv: {shell: \(shell)}\nphases:\n  build:\n    commands:\n\(lines.joined())artifacts: {files: [out]}\n",
            files: files)
        await world.push()
        try await world.settled()
        return (world, world.built())
    }

    @Test func `bash stays as it was: options, functions of any name, arrays and files beside it`() async throws {
        let (world, out) = try await out(
            "bash",
            [
                "a-b() { echo \"dash $1\"; }\nshopt -s extglob\ng() { [[ $1 == +(x) ]] && echo glob; }\ndeclare -A M=([k]=v [l]=w)",
                "set -o | grep '^posix' >out",
                "source env.sh >>out\na-b one >>out\ng xxx >>out\necho \"${M[k]}${M[l]}\" >>out",
            ], files: ["env.sh": "echo sourced\n"])
        #expect(out == "posix          \toff\nsourced\ndash one\nglob\nvw\n", "\(world.buildLog())")
    }

    @Test(arguments: ["bash", "/bin/sh"])
    func `a trap of its own, traces and names of builtins take nothing from a command`(shell: String) async throws {
        let (world, out) = try await out(
            shell,
            [
                "mkdir sub\ntrap 'echo bye >>$TMPDIR/trapped' EXIT\nexport FOO=1\nBAR='a b'\ncd sub",
                "echo \"$FOO $BAR $(basename \"$PWD\")\" >../out",
                "cd() { command cd \"$@\"; echo moved >>out; }\nset -x\ntrue traced",
                "cat $TMPDIR/trapped >>../out",
            ])
        #expect(out == "1 a b sub\nbye\n", "\(world.buildLog())")
        let log = world.buildLog().joined(separator: "\n")
        #expect(log.contains("+ true traced") && !log.contains("shipit_"), "\(log)")
    }

    @Test func `no secret stands in the ledger, beside the artifact or in an argument`() async throws {
        let world = try await World.building(
            """
            version: 0.2
            env: {secrets-manager: {TOKEN: x}, parameter-store: {PLAIN: y}}
            phases: {build: {commands: ['tr "\\\\0" "\\\\n" </proc/1/cmdline >arguments', 'echo $TOKEN$PLAIN | wc -c >out']}}
            artifacts: {files: [out, arguments], name: 'rel-$TOKEN-$PLAIN'}
            """)
        try await world.must(world.shipit("env", "set", "build", "--secret", "TOKEN", input: "s3cr3tvalue"))
        try await world.must(world.shipit("env", "set", "build", "PLAIN=pl41nvalue"))
        await world.push()
        #expect(world.built() == "22\n", "\(world.buildLog())")
        try await world.ship([
            "buildspec.yml": """
            version: 0.2
            env: {secrets-manager: {TOKEN: x}, parameter-store: {PLAIN: y}}
            phases: {build: {commands: ['true']}}
            artifacts: {files: ['$TOKEN/$PLAIN/**']}

            """
        ])
        #expect(try await world.status(of: 2) == "failed")
        try await world.settled()
        let found = await world.run(
            ["/usr/bin/grep", "-rlaE", "s3cr3tvalue|pl41nvalue", world.home, world.targets], in: world.path)
        #expect(found.stdout == "\(world.home)/apps/blog/environments/build.env\n")
        let shown = await world.shipit("show", "2")
        #expect(!shown.text.contains("s3cr3tvalue") && shown.text.contains("no file"), "\(shown.text)")
    }

    @Test func `a secondary artifact may be called manifest`() async throws {
        let world = try await World.building(
            """
            version: 0.2
            phases: {build: {commands: ['echo a >out']}}
            artifacts: {files: [out], secondary-artifacts: {manifest: {files: [out]}}}
            """)
        await world.push()
        #expect(world.built() == "a\n", "\(world.buildLog())")
        #expect(await world.shipit("fsck").status == 0)
        try await world.settled()
    }

    @Test func `a user that this machine does not have changes nothing`() async throws {
        let world = try await World.building(
            "version: 0.2\nrun-as: codebuild-user\nphases: {build: {commands: ['echo a >out']}}\nartifacts: {files: [out]}"
        )
        await world.push()
        #expect(world.built() == "a\n")
        #expect(world.buildLog().contains { $0.contains("run-as codebuild-user has no effect") })
        try await world.settled()
    }

    @Test func `a link that leads out is left out and said, and everything else is packed`() async throws {
        let world = try await World.building(
            """
            version: 0.2
            phases: {build: {commands: ['mkdir venv; ln -s /usr/bin/env venv/python; ln -s ../../.. venv/up; ln -s ../out venv/in; echo a >out']}}
            artifacts: {files: ['**/*'], exclude-paths: [buildspec.yml]}
            """)
        await world.push()
        #expect(world.built() == "a\n", "\(world.buildLog())")
        #expect(world.names(in: "\(world.staging)/current/venv") == ["in"])
        let log = world.buildLog().joined(separator: "\n")
        #expect(log.contains("the link venv/python is left out, since it leads out of the artifact: /usr/bin/env"))
        try await world.settled()
    }
}
