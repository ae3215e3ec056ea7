import Foundation
import Glibc
import Testing

@testable import Shipit

extension World {
    /// What the build wrote into a file of its artifact.
    func built(_ name: String = "out") -> String? { read("\(staging)/current/\(name)") }

    /// A world whose build runs with the given buildspec.
    static func building(_ buildspec: String, extra: String = "", files: [String: String] = [:]) async throws -> World {
        try await World(
            extra: extra, files: files.merging(["buildspec.yml": buildspec + "\n"]) { $1 })
    }

    /// The lines of a run's build log without their times.
    func buildLog(_ run: Int = 1) -> [String] {
        log(run, "build").split(separator: "\n").map { String($0.drop { $0 != " " }.dropFirst()) }
    }
}

/// Builds by a buildspec, for real.
@Suite struct BuildTests {
    @Test func `a phase is tried again as often as RETRY says, and only for failures that it names`() async throws {
        let world = try await World.building(
            """
            version: 0.2
            phases:
              install:
                commands: ['echo i >>install', '[ $(grep -c i install) -ge 3 ]']
                finally: [echo f >>finally]
                on-failure: RETRY-4-.*exit status 1
              pre_build:
                commands: ['true']
              build:
                commands: ['cat install finally | tr -d "\\n" >out']
            artifacts: {files: [out]}
            """)
        await world.push()
        #expect(world.built() == "iiifff")
        let log = world.buildLog()
        #expect(log.contains("* phase install, retry 2 of 4") && !log.contains("* phase install, retry 3 of 4"))
        try await world.ship([
            "buildspec.yml": """
            version: 0.2
            phases:
              install: {commands: [exit 7], on-failure: 'RETRY-2-exit status 8'}
            """
        ])
        #expect(
            world.buildLog(2).contains(
                "* on-failure: the failure does not match exit status 8, so it is not tried again"))
        try await world.ship([
            "buildspec.yml": """
            version: 0.2
            phases:
              build: {commands: [exit 7], on-failure: 'RETRY-2'}
              post_build: {commands: ['echo post $CODEBUILD_BUILD_SUCCEEDING']}
            """
        ])
        let third = world.buildLog(3)
        #expect(third.filter { $0.hasPrefix("* phase build failed") }.count == 3)
        #expect(third.contains("| post 0"))
        #expect(try await world.status(of: 3) == "failed")
        try await world.settled()
    }

    @Test func `CONTINUE goes on, ABORT stops, and neither makes an artifact`() async throws {
        let world = try await World.building(
            """
            version: 0.2
            phases:
              install: {commands: ['false'], on-failure: CONTINUE}
              build: {commands: ['echo build $CODEBUILD_BUILD_SUCCEEDING; false'], on-failure: ABORT}
              post_build: {commands: [echo post]}
            """)
        await world.push()
        let log = world.buildLog()
        #expect(log.contains("| build 0") && !log.contains("| post"))
        #expect(try await world.status(of: 1) == "failed")
        #expect(world.names(in: "\(world.home)/artifacts/blog").filter { $0.hasSuffix(".zst") } == [])
        try await world.settled()
    }

    @Test func `a pattern that is none, or that takes for ever, fails nobody but its build`() async throws {
        let world = try await World.building(
            """
            version: 0.2
            phases:
              build: {commands: ['false'], on-failure: 'RETRY-2-(['}
            """)
        await world.push()
        #expect(world.buildLog().contains("* on-failure: ([ is no regular expression, so it matches nothing"))
        try await world.settled()
    }

    @Test func `bash is bash, and sh is not`() async throws {
        func spec(_ shell: String) -> String {
            """
            version: 0.2
            env: {shell: \(shell)}
            phases:
              build:
                commands:
                  - export A="x 'y'" && cd / && cd "$OLDPWD"
                  - if [ -n "$BASH_VERSION" ]; then [[ $A == "x 'y'" ]] && echo bash >out; else echo sh "$A" >out; fi
            artifacts: {files: [out]}
            """
        }
        let world = try await World.building(spec("bash"))
        await world.push()
        #expect(world.built() == "bash\n")
        try await world.ship(["buildspec.yml": spec("/bin/sh")])
        #expect(world.built() == "sh x 'y'\n")
        try await world.settled()
    }

    @Test(arguments: ["/bin/sh", "bash"])
    func `variables that nobody exports are there for later commands and phases, whatever is in them`(shell: String)
        async throws
    {
        let world = try await World.building(
            #"""
            version: 0.2
            env: {shell: \#(shell), variables: {OPTS: x}}
            phases:
              pre_build:
                commands:
                  - TAG=$(echo $CODEBUILD_RESOLVED_SOURCE_VERSION | cut -c 1-7) status=mine
                  - "ODD='a \"b\" $c\n\t \\\\ é'; set -euf; IFS=:"
                  - cd /tmp && export PATH=/nowhere && exit 0
                  - export PATH=/usr/bin:/bin; cd "$CODEBUILD_SRC_DIR"
              build:
                commands:
                  - unset IFS
                  - printf '%s|%s|%s' "$TAG" "$status" "$ODD" >out
                  - 'env | grep -c "^TAG=" >>out || true'
            artifacts: {files: [out]}
            """#)
        await world.push()
        let tag = try await world.git("rev-parse", "HEAD").prefix(7)
        #expect(world.built() == "\(tag)|mine|a \"b\" $c\n\t \\\\ é0\n", "\(world.buildLog())")
        try await world.settled()
    }

    @Test func `a function of bash is there for the next command`() async throws {
        let world = try await World.building(
            """
            version: 0.2
            env: {shell: bash}
            phases:
              install: {commands: ['say() { echo "said $1"; }; list=(a "b c")']}
              build: {commands: ['say hello >out', 'echo "${list[1]}" >>out']}
            artifacts: {files: [out]}
            """)
        await world.push()
        #expect(world.built() == "said hello\nb c\n", "\(world.buildLog())")
        try await world.settled()
    }

    @Test func `a command of version 0_1 knows nothing of those before it`() async throws {
        let world = try await World.building(
            """
            version: 0.1
            environment_variables: {plaintext: {A: one}}
            phases:
              build:
                commands:
                  - mkdir sub && cd sub && export B=two
                  - echo "$A $B" >out
            artifacts: {type: zip, files: [out]}
            """)
        await world.push()
        #expect(world.built() == "one \n")
        try await world.settled()
    }

    @Test func `all missing secrets are named before the first command, with what to do`() async throws {
        let world = try await World.building(
            """
            version: 0.2
            env:
              parameter-store: {DB: /app/db, SET: /app/set}
              secrets-manager: {TOKEN: 'prod:token'}
            run-as: nobody-of-this-name
            phases: {build: {commands: [echo ran]}}
            """)
        try await world.must(world.shipit("env", "set", "build", "--secret", "SET", input: "abcdefgh"))
        await world.push()
        let log = world.buildLog().joined(separator: "\n")
        #expect(
            log.contains(
                "the buildspec wants DB (parameter-store: /app/db), TOKEN (secrets-manager: prod:token), and the app has no such build secret"
            ))
        #expect(log.contains("shipit env set build --secret DB --app blog"))
        #expect(log.contains("shipit env set build --secret TOKEN --app blog"))
        #expect(!log.contains("| ran"))
        #expect(try await world.status(of: 1) == "failed")
        try await world.settled()
    }

    @Test func `secrets are there and masked, also those that were set as plain variables`() async throws {
        let world = try await World.building(
            """
            version: 0.2
            env: {secrets-manager: {TOKEN: x}, parameter-store: {PLAIN: y}}
            phases: {build: {commands: ['echo "[$TOKEN] [$PLAIN]"', 'echo "${#TOKEN} ${#PLAIN}" >out']}}
            artifacts: {files: [out]}
            """)
        try await world.must(world.shipit("env", "set", "build", "--secret", "TOKEN", input: "abcdefgh"))
        try await world.must(world.shipit("env", "set", "build", "PLAIN=ijklmn"))
        await world.push()
        #expect(world.built() == "8 6\n")
        #expect(world.buildLog().contains("| [***] [***]"))
        try await world.settled()
    }

    @Test func `exported variables are what they are after the last phase, and a hidden value stays hidden`()
        async throws
    {
        let world = try await World.building(
            """
            version: 0.2
            env: {exported-variables: [V, W, NONE], secrets-manager: {TOKEN: x}}
            phases:
              build: {commands: ['export V=1; W="a$TOKEN"']}
              post_build: {commands: ['export V="2 3"']}
            """)
        try await world.must(world.shipit("env", "set", "build", "--secret", "TOKEN", input: "abcdefgh"))
        await world.push()
        let shown = try #require(try await world.json("show", "1") as? [String: Any])
        #expect(shown["exported"] as? [String: String] == ["V": "2 3", "W": "a***"])
        #expect(world.buildLog().contains("* exported variable NONE is not set after the last phase"))
        #expect(await world.shipit("show", "1").stdout.contains("exported V=2 3"))
        try await world.settled()
    }

    @Test func `builds of a push know what a webhook would say`() async throws {
        let spec = """
            version: 0.2
            phases: {build: {commands: ['env | grep CODEBUILD_ | sort >out']}}
            artifacts: {files: [out], name: 'blog-$CODEBUILD_BUILD_NUMBER-$(echo x)'}
            """
        let world = try await World.building(spec)
        await world.push()
        let first = try await world.git("rev-parse", "HEAD")
        #expect(world.built()?.contains("PREV_COMMIT") == false)
        #expect(world.buildLog().contains("* artifact name: blog-1-x"))
        let second = try await world.ship(["a": "b"]).revision
        let variables = Set((world.built() ?? "").split(separator: "\n").map(String.init))
        #expect(
            variables.isSuperset(of: [
                "CODEBUILD_WEBHOOK_EVENT=PUSH", "CODEBUILD_WEBHOOK_HEAD_REF=refs/heads/main",
                "CODEBUILD_WEBHOOK_TRIGGER=branch/main", "CODEBUILD_WEBHOOK_PREV_COMMIT=\(first)",
                "CODEBUILD_RESOLVED_SOURCE_VERSION=\(second)", "CODEBUILD_LOG_PATH=runs/2/build.log",
            ]), "\(variables)")
        try await world.settled()
    }

    @Test func `only languages that are wanted are started to ask for their version`() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "runtimes-\(UUID())").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }  // the machine cleans its temporary folder too
        for name in ["node", "ruby"] {
            let script = "#!/bin/sh\necho 1.2.3\n: >\(folder)/\(name).started\n"
            #expect(
                FileManager.default.createFile(
                    atPath: "\(folder)/\(name)", contents: Data(script.utf8), attributes: [.posixPermissions: 0o755]))
        }
        try Data("ruby\n".utf8).write(to: URL(filePath: "\(folder)/wanted"))
        let shell = Process()
        shell.executableURL = URL(filePath: "/bin/sh")
        shell.arguments = ["-c", BuildSession.Question.runtimes.rawValue]
        shell.environment = ["PATH": folder, "SHIPIT_CONTROL": folder]
        try shell.run()
        shell.waitUntilExit()
        let answer = try Data(contentsOf: URL(filePath: "\(folder)/answer"))
        #expect(RuntimeCheck.parse(Array(answer)) == ["ruby": "1.2.3"])
        #expect(!FileManager.default.fileExists(atPath: "\(folder)/node.started"))
    }

    @Test func `another version of a language is a warning, or by policy an error`() async throws {
        let spec = """
            version: 0.2
            phases:
              install: {runtime-versions: {python: 99, nodejs: latest, cobol: 1}}
              build: {commands: [echo ran]}
            """
        let world = try await World.building(spec)
        await world.push()
        let log = world.buildLog().joined(separator: "\n")
        #expect(log.contains("warning: runtime-versions: python 99 is wanted, and "), "\(log)")
        #expect(log.contains("warning: runtime-versions: cobol 1 is not known here") && log.contains("| ran"))
        try world.setPolicy(extra: "build: {runtime_versions: error}")
        try await world.ship(["a": "b"])
        #expect(try await world.status(of: 2) == "failed")
        #expect(!world.buildLog(2).contains("| ran"))
        try await world.settled()
    }

    @Test(arguments: [
        ("18", "18.19.0", true), ("18.x", "18.19.0", true), ("3.11", "3.11.2", true), ("3.1", "3.11.2", false),
        ("latest", "1", true), ("corretto17", "17.0.2", true), ("corretto8", "8.0_292", true), ("17", "21.0", false),
        ("8.0", "8", true), ("8.1", "8", false), ("", "8", false), ("x", "8", false),
    ])
    func `versions agree as far as they are written`(wanted: String, found: String, agrees: Bool) {
        let verdict = RuntimeCheck.judge(Buildspec.Runtime(name: "java", version: wanted), ["java": found])
        #expect((verdict == .matches(found)) == agrees)
    }
}
