import Foundation
import Glibc
import Testing

@testable import Shipit

/// Secrets that commands tell, and what is required.
@Suite struct SecretCommandTests {
    private static let hook = [
        "appspec.yml": """
        version: 0.0
        os: linux
        hooks:
          ApplicationStart:
            - location: scripts/start

        """,
        "scripts/start":
            "#!/bin/sh\necho token $API_TOKEN and $LEVEL\nprintf %s \"$API_TOKEN\" >\"$SHIPIT_TARGET/seen\"\n",
    ]

    private func world(_ extra: String, environments: String = World.twoEnvironments) async throws -> World {
        let world = try await World(files: Self.hook.merging(["index.html": "one\n"]) { $1 })
        try world.setPolicy(environments: environments, extra: extra.replacing("@", with: world.path))
        return world
    }

    @Test func `a command tells a secret when the deployment begins, and it is nowhere afterwards`() async throws {
        let world = try await world("secrets:\n  - name: API_TOKEN\n    command: [cat, \"@/token\"]\n")
        try world.write("s3cr3t-value-of-pass\n", to: "\(world.path)/token", mode: 0o600)
        try await world.ship()
        #expect(world.read("\(world.staging)/seen") == "s3cr3t-value-of-pass", "without the last line end")
        #expect(world.log(1).contains("token *** and"))
        #expect(world.log(1).contains("the secret API_TOKEN: told by cat"))
        unlink("\(world.staging)/seen")
        unlink("\(world.path)/token")
        try await world.settled()
        let found = await world.run(
            ["/usr/bin/grep", "-rlaF", "s3cr3t-value-of-pass", world.path], in: world.path)
        #expect(found.stdout == "", "in no log, ledger, artifact, target or spool")
    }

    @Test func `NAME=value lines of a command are secrets, and files of shipit env come after them`() async throws {
        let world = try await world(
            "secrets:\n  - format: env\n    command: [cat, \"@/all\"]\n    environments: [staging]\n")
        try world.write("API_TOKEN=from-command\nLEVEL=\"high level\"\n", to: "\(world.path)/all")
        try await world.must(world.shipit("env", "set", "staging", "API_TOKEN=from-file"))
        try await world.ship()
        #expect(world.log(1).contains("token from-file and ***"))
    }

    @Test(arguments: [
        (
            "[sh, -c, \"echo the password is hunter2 >&2; exit 4\"]",
            "sh ended with exit status 4: the password is hunter2"
        ),
        ("[sh, -c, \":\"]", "sh printed nothing"), ("[sh, -c, \"sleep 60\"]", "sh took longer than 1.0 s"),
        ("[no-such-program]", "there is no program no-such-program"),
        ("[echo, abc]", "echo printed fewer than 4 bytes"),
        ("[head, -c, 600000, /dev/zero]", "head printed more than 256 KiB"),
    ])
    func `a command that does not tell its secret stops the job before its first command`(
        command: String, words: String
    ) async throws {
        let world = try await world("secrets:\n  - name: API_TOKEN\n    timeout: 1s\n    command: \(command)\n")
        let result = try await world.ship().result
        #expect(
            result.stderr.contains("could not get the secret API_TOKEN for staging: \(words)"), "\(result.stderr)")
        #expect(try await world.status(of: 1) == "errored")
        #expect(!world.exists("\(world.staging)/seen") && world.releases().isEmpty)
        // What is set by hand is not asked for.
        try await world.must(world.shipit("env", "set", "staging", "--secret", "API_TOKEN", input: "by hand"))
        try await world.must(world.shipit("retry", "1"))
        #expect(world.read("\(world.staging)/seen") == "by hand")
    }

    @Test func `what a failing script prints of a secret is hidden from its pusher, in the log and in the ledger`()
        async throws
    {
        let world = try await world("secrets:\n  - name: API_TOKEN\n    command: [cat, \"@/token\"]\n")
        try world.write("p\"ss w\\rd/0123", to: "\(world.path)/token", mode: 0o600)
        let script = """
            #!/bin/sh
            printf 'Authorization: Basic %s\\n' "$(printf 'ann:%s' "$API_TOKEN" | base64)"
            printf %s "$API_TOKEN" | od -An -tx1
            printf '{"token": "%s"}\\n' "$(printf %s "$API_TOKEN" | sed 's/[\\"]/\\\\&/g')"
            printf '%s' "p\\"ss"; sleep 0.05; printf '%s\\n' " w\\\\rd/0123"
            set -x; : "$API_TOKEN"
            exit 7

            """
        let result = try await world.ship(["scripts/start": script]).result
        #expect(result.stderr.contains("scripts/start ended with exit status 7"), "\(result.stderr)")
        let ledger = try world.installation().ledger.events(after: 0).map(\.text).joined(separator: "\n")
        let token = Data("p\"ss w\\rd/0123".utf8)
        for text in [result.stderr, world.log(1), ledger] {
            #expect(!text.contains("rd/0123") && !text.contains("5c 72 64 2f") && !text.contains("w\\\\rd"))
            #expect(!text.contains(String(Data("ann:".utf8 + token).base64EncodedString().dropFirst(8).prefix(8))))
        }
        #expect(
            world.log(1).contains("Authorization: Basic ") && world.log(1).contains(#"{"token": "***"}"#),
            "\(world.log(1))")
    }

    @Test func `what is required and missing stops a job before anything is touched, and validate says it`()
        async throws
    {
        let world = try await world(
            "",
            environments: """
                environments:
                  - name: staging
                    targets: [@TARGETS@/staging]
                    requires: [API_TOKEN, LEVEL]
                """)
        let words = "staging requires API_TOKEN, LEVEL, and nothing sets it"
        let result = try await world.ship().result
        #expect(result.stderr.contains(words) && result.stderr.contains("shipit env set staging --secret API_TOKEN"))
        #expect(await world.shipit("doctor").stdout.contains("staging requires API_TOKEN, and nothing sets it"))
        #expect(await world.shipit("validate", "main").stdout.contains("staging requires LEVEL, and nothing sets it"))
        try await world.must(world.shipit("env", "set", "all", "LEVEL=info"))
        try await world.must(world.shipit("env", "set", "staging", "--secret", "API_TOKEN", input: "tokentoken"))
        try await world.must(world.shipit("retry", "1"))
        #expect(world.log(1).contains("token *** and info"))
    }

    @Test func `what is set for all environments is seen by each, unless it sets it itself, and not by builds`()
        async throws
    {
        let world = try await World(
            files: Self.hook.merging([
                "buildspec.yml":
                    "version: 0.2\nphases: {build: {commands: ['echo \"build sees [$LEVEL]\"']}}\nartifacts: {files: ['**/*']}\n"
            ]) { $1 })
        try await world.must(world.shipit("env", "set", "all", "LEVEL=everywhere", "API_TOKEN=common"))
        try await world.must(world.shipit("env", "set", "staging", "API_TOKEN=own"))
        try await world.ship()
        #expect(world.log(1).contains("token own and everywhere"))
        #expect(world.log(1, "build").contains("build sees []"))
    }

    @Test func `a build gets its secrets from a command too, and fails before its first command without`() async throws
    {
        let world = try await World(files: [
            "buildspec.yml": """
            version: 0.2
            env: {secrets-manager: {API_TOKEN: 'a:b'}}
            phases: {build: {commands: ['echo "got $API_TOKEN"', 'printf %s "$API_TOKEN" | base64']}}
            artifacts: {files: ['**/*']}
            """
        ])
        try world.setPolicy(
            extra: "secrets:\n  - name: API_TOKEN\n    command: [cat, \(world.path)/token]\n    environments: [build]\n"
        )
        try await world.ship()
        #expect(try await world.status(of: 1) == "errored")
        #expect(!world.log(1, "build").contains("phase build"))
        try world.write("build-secret", to: "\(world.path)/token")
        try await world.must(world.shipit("retry", "1"))
        let log = world.log(1, "build")
        #expect(log.contains("got ***") && !log.contains("build-secret") && !log.contains("YnVpbGQtc2Vj"))
    }

    @Test func `a rollback whose secrets are not told touches nothing, and goes without them when asked`() async throws
    {
        let world = try await world("secrets:\n  - name: API_TOKEN\n    command: [cat, \"@/token\"]\n")
        try world.write("the-token", to: "\(world.path)/token")
        let first = try await world.ship().revision
        try await world.ship(["index.html": "two\n"])
        try await world.settled()
        unlink("\(world.path)/token")
        let refused = await world.shipit("rollback", "staging")
        #expect(refused.status == 2 && world.current() == "two\n", "\(refused.text)")
        #expect(refused.text.contains("shipit rollback staging --app blog --without-secrets goes back without it"))
        try await world.must(world.shipit("rollback", "staging", "--without-secrets"))
        #expect(try await world.live() == first && world.current() == "one\n")
        #expect(world.read("\(world.staging)/seen") == "")
    }

    @Test func `a file that others may read, or that is somebody else's, is refused with the command that mends it`()
        async throws
    {
        let world = try await World()
        try await world.must(world.shipit("env", "set", "staging", "LEVEL=info"))
        let path = "\(world.home)/apps/blog/environments/staging.env"
        chmod(path, 0o640)
        #expect(await world.shipit("env", "list", "staging").stderr.contains("hint: chmod 600 \(path)"))
        let result = try await world.ship().result
        #expect(result.stderr.contains("\(path) may be read by others"))
        guard geteuid() == 0 else { return }
        chmod(path, 0o600)
        chown(path, 65534, 65534)
        #expect(await world.shipit("env", "list", "staging").stderr.contains("hint: chown root \(path)"))
    }

    @Test(arguments: [
        ("name: TOKEN", "a secret wants command:"), ("command: [pass]", "a secret wants name:, or format: env"),
        ("name: TOKEN\n    command: pass show x", "there is no shell"),
        ("name: a-b\n    command: [pass]", "wants the name of a variable"),
        ("name: A\n    format: env\n    command: [pass]", "expected no name"),
        ("name: A\n    value: hunter2\n    command: [pass]", "a policy holds no secrets"),
        ("name: A\n    command: [pass]\n    environments: [stagin]", "did you mean \"staging\"?"),
        ("name: A\n    command: [pass]\n  - name: A\n    command: [age]", "the secret A stands twice"),
    ])
    func `a secret that cannot be told is refused with its place`(entry: String, words: String) {
        let found = pipelineComplaints(smallPipeline + "secrets:\n  - \(entry)\n")
        #expect(found.contains { $0.contains(words) && $0.hasPrefix("pipeline.yml:") }, "\(found)")
    }
}
