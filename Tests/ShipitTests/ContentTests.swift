import Foundation
import CLinux
import Glibc
import Testing

@testable import Shipit

@Suite struct ArtifactTests {
    @Test func `a bit that flips in an artifact is never deployed, and a rebuild mends it`() async throws {
        let world = try await World()
        let revision = try await world.ship().revision
        try await world.settled()
        let artifact = "\(world.home)/artifacts/blog/\(revision).tar.zst"
        var bytes = try Data(contentsOf: URL(filePath: artifact))
        let sound = bytes
        for index in [0, bytes.count / 2, bytes.count - 1] {
            bytes = sound
            bytes[index] ^= 1
            try bytes.write(to: URL(filePath: artifact))
            let promotion = await world.shipit("promote", String(revision))
            #expect(promotion.status == 2, "\(promotion)")
            #expect(promotion.stderr.contains("\(revision).tar.zst"), "\(promotion.stderr)")
            #expect(world.current(world.production) == nil)
        }
        for cut in [0, 1, sound.count - 1] {
            try sound.prefix(cut).write(to: URL(filePath: artifact))
            #expect(await world.shipit("promote", String(revision)).status == 2)
        }
        try (sound + Data("junk".utf8)).write(to: URL(filePath: artifact))
        #expect(await world.shipit("promote", String(revision)).status == 2)
        #expect(world.releases(world.production) == [])

        let rebuild = await world.shipit("start", "--rebuild")
        #expect(rebuild.status == 0, "\(rebuild.stderr)")
        #expect(try Data(contentsOf: URL(filePath: artifact)) == sound)
        #expect(await world.shipit("promote").status == 0)
        #expect(world.current(world.production) == "one\n")
        try await world.settled()
    }

    @Test func `the same commit gives the same bytes in another home, at another path and under another umask`()
        async throws
    {
        let spec = """
            version: 0.2
            phases:
              build:
                commands:
                  - mkdir -p out/sub && date -d @$SOURCE_DATE_EPOCH +%s >out/when && pwd >out/where
                  - echo "$HOME $TMPDIR $CODEBUILD_SRC_DIR $CODEBUILD_RESOLVED_SOURCE_VERSION" >out/sub/variables
                  - printf '#!/bin/sh\\n' >out/run; chmod 755 out/run; ln -s run out/link
            artifacts:
              files: ['**/*']
              base-directory: out
            """
        let one = try await World(files: ["buildspec.yml": spec])
        let other = try await World(files: nil)
        let revision = try await one.git("rev-parse", "HEAD")
        #expect(await one.push().stderr.contains("staging is live"))
        let push = await other.run(
            ["/bin/sh", "-c", "umask 077; exec git push -q \(other.repository) main"], in: one.clone)
        #expect(push.stderr.contains("staging is live"), "\(push.stderr)")
        let name = "artifacts/blog/\(revision).tar.zst"
        #expect(
            try Data(contentsOf: URL(filePath: "\(one.home)/\(name)"))
                == Data(contentsOf: URL(filePath: "\(other.home)/\(name)")))
        #expect(other.current(nil, "where") == "/build/source\n")
        #expect(other.current(nil, "sub/variables") == "/root /tmp /build/source \(revision)\n")
        var status = stat()
        #expect(stat("\(other.staging)/current/run", &status) == 0 && status.st_mode & 0o7777 == 0o755)
        #expect(stat("\(other.staging)/current/where", &status) == 0 && status.st_mode & 0o7777 == 0o644)
        try await one.settled()
        try await other.settled()
    }

    @Test func `a build that gives other bytes is kept beside the first, and said`() async throws {
        let spec = "version: 0.2\nphases: {build: {commands: ['cat /proc/sys/kernel/random/uuid >id']}}\n"
        let world = try await World(files: ["buildspec.yml": spec])
        await world.push()
        let first = world.current(nil, "id")
        let rebuild = await world.shipit("start", "--rebuild")
        #expect(rebuild.stderr.contains("gave other bytes than before: "), "\(rebuild.stderr)")
        #expect(world.current(nil, "id") != first)
        let artifacts = try #require(try await world.json("artifacts") as? [[String: Any]])
        #expect(artifacts.count == 2)
        #expect(await world.shipit("promote").status == 0)
        #expect(world.current(world.production, "id") == world.current(nil, "id"))
        try await world.settled()
    }

    @Test func `a failed build makes no artifact, and its log says why`() async throws {
        let spec = """
            version: 0.2
            phases:
              pre_build: {commands: [echo pre]}
              build: {commands: ['echo oops >&2; exit 3', echo never], finally: [echo finally]}
              post_build: {commands: ['echo "post $CODEBUILD_BUILD_SUCCEEDING"']}
            """
        let world = try await World(files: ["buildspec.yml": spec])
        let push = await world.push()
        #expect(
            push.stderr.contains(#"run 1 failed: build: build: "echo oops >&2; exit 3" ended with exit status 3"#),
            "\(push.stderr)")
        let log = world.log(1, "build")
        #expect(
            log.contains("| pre\n") && log.contains("| oops\n") && log.contains("| finally\n")
                && log.contains("| post 0\n"))
        #expect(!log.contains("| never"))
        #expect(try await world.json("artifacts") as? [String] == [])
        let retry = await world.shipit("retry")
        #expect(retry.status == 1)
        try await world.settled()
    }

    @Test func `a buildspec that is wrong is said line by line`() async throws {
        let world = try await World(files: ["buildspec.yml": "version: 0.2\nphase:\n  build: {}\n"])
        let push = await world.push()
        #expect(
            push.stderr.contains(#"buildspec.yml:2:1: "phases" is missing, and "phase" is probably meant to be it"#),
            "\(push.stderr)")
        #expect(push.stderr.contains("run 1 failed"))
        try await world.settled()
    }

    @Test func `retrying a deployment does not build again`() async throws {
        let spec = "version: 0.2\nphases: {build: {commands: ['cat /proc/sys/kernel/random/uuid >id']}}\n"
        let world = try await World(files: ["buildspec.yml": spec])
        try await world.ship(
            world.hooks(["ApplicationStart": "[ -e \(world.path)/ready ]"]).merging(["index.html": "one\n"]) { $1 })
        try await world.settled()
        let built = world.log(1, "build")
        try world.write("", to: "\(world.path)/ready")
        let retry = await world.shipit("retry")
        #expect(retry.status == 0, "\(retry.stderr)")
        #expect(world.log(1, "build") == built && world.current(nil, "id") != nil)
        #expect(await world.shipit("retry").status == 69)
        try await world.settled()
    }
}

@Suite struct HostileContentTests {
    /// Pushes a tree made of raw entries, each `mode name blob`.
    private func push(_ world: World, _ entries: [(mode: String, name: String, content: String)]) async throws
        -> World.Result
    {
        var lines: [(line: String, name: String)] = []
        for entry in entries {
            try world.write(entry.content, to: "\(world.path)/blob")
            let id = try await world.git("hash-object", "-w", "--no-filters", "\(world.path)/blob")
            lines.append(("\(entry.mode) blob \(id)\t\(entry.name)\0", entry.name))
        }
        let input = lines.map(\.line).joined()
        let tree = await world.run(["/usr/bin/git", "mktree", "-z"], in: world.clone, input: input)
        try #require(tree.status == 0, "\(tree.stderr)")
        let commit = try await world.git(
            "commit-tree", tree.stdout.trimmingCharacters(in: .whitespacesAndNewlines), "-m",
            "\u{1B}[31mred\u{1B}[0m\u{07} subject")
        return await world.push("\(commit):refs/heads/main")
    }

    @Test func `hostile names arrive as they are, and nothing that is printed moves the cursor`() async throws {
        let world = try await World(files: nil)
        let names = [
            "-rf", "a b", "$(touch pwned)", "`id`", "new\nline", "\u{1B}[2J", "quo'te\"", "ünï", "\u{202E}gnp", "*",
            "CON",
        ]
        let result = try await push(world, names.map { ("100644", $0, "text of \($0)\n") })
        #expect(result.stderr.contains("staging is live"), "\(result.stderr)")
        for name in names { #expect(world.current(nil, name) == "text of \(name)\n") }
        #expect(Set(world.names(in: "\(world.staging)/current")) == Set(names))
        var said = result.text + world.log(1, "build") + world.log(1)
        for words in [
            ["status"], ["runs"], ["show", "1"], ["revisions"], ["log", "1"], ["plan"], ["plan", "--json"],
            ["revisions", "--json"],
        ] {
            said += await world.run(["\(World.programs)/shipit"] + words, in: world.path).text
        }
        #expect(!said.contains("\u{1B}") && !said.contains("\u{07}"))
        #expect(said.contains(#"\x1b[31mred\x1b[0m\x07 subject"#))
        try await world.settled()
    }

    @Test(arguments: ["/etc/passwd", "../../../../outside", "..", "a/../../x", ""])
    func `a link that leaves the release is refused`(target: String) async throws {
        let world = try await World(files: nil)
        let result = try await push(world, [("100644", "index.html", "x"), ("120000", "link", target)])
        #expect(!result.stderr.contains("is live"), "\(result.stderr)")
        #expect(result.stderr.contains("link"))
        #expect(world.current() == nil && world.releases() == [])
        try await world.settled()
    }

    @Test func `a link that stays inside is kept`() async throws {
        let world = try await World(files: nil)
        let result = try await push(world, [("100644", "index.html", "x"), ("120000", "link", "./index.html")])
        #expect(result.stderr.contains("is live"), "\(result.stderr)")
        #expect(world.current(nil, "link") == "x")
        try await world.settled()
    }

    @Test func `a set-uid mode in a tree or of a build is not set`() async throws {
        let world = try await World(files: nil)
        try await world.git(in: world.repository, "config", "receive.fsckObjects", "false")
        try world.write("x", to: "\(world.path)/blob")
        let id = try await world.git("hash-object", "-w", "\(world.path)/blob")
        let script = """
            import hashlib, sys, zlib, os
            body = b''.join(m + b' ' + n + b'\\0' + bytes.fromhex('\(id)') for m, n in [(b'104755', b'set'), (b'100777', b'wide')])
            raw = b'tree %d\\0' % len(body) + body
            name = hashlib.sha1(raw).hexdigest()
            folder = '.git/objects/' + name[:2]
            os.makedirs(folder, exist_ok=True)
            open(folder + '/' + name[2:], 'wb').write(zlib.compress(raw))
            print(name)
            """
        let tree = await world.run(["/usr/bin/env", "python3", "-c", script], in: world.clone)
        try #require(tree.status == 0, "\(tree.stderr)")
        let commit = try await world.git(
            "commit-tree", tree.stdout.trimmingCharacters(in: .whitespacesAndNewlines), "-m", "x")
        let result = await world.push("\(commit):refs/heads/main")
        #expect(result.stderr.contains("is live"), "\(result.stderr)")
        for name in ["set", "wide"] {
            var status = stat()
            #expect(stat("\(world.staging)/current/\(name)", &status) == 0)
            #expect(
                status.st_mode & 0o7777 == 0o755 || status.st_mode & 0o7777 == 0o644,
                "\(String(status.st_mode, radix: 8))")
        }
        try await world.settled()
    }

    @Test func `what a build leaves is packed without modes, devices and ways out`() async throws {
        let spec = """
            version: 0.2
            phases:
              build:
                commands:
                  - echo x >set; chmod 6777 set; mkfifo pipe; mkdir -m 0700 closed; echo y >closed/y; chmod 600 closed/y
            """
        let world = try await World(files: ["buildspec.yml": spec])
        let result = await world.push()
        #expect(result.stderr.contains("is live"), "\(result.stderr)")
        var status = stat()
        #expect(stat("\(world.staging)/current/set", &status) == 0 && status.st_mode & 0o7777 == 0o755)
        #expect(stat("\(world.staging)/current/closed/y", &status) == 0 && status.st_mode & 0o7777 == 0o644)
        #expect(!world.exists("\(world.staging)/current/pipe"))
        try await world.settled()
        let leaving = try await world.ship([
            "buildspec.yml": "version: 0.2\nphases: {build: {commands: [ln -s /etc/passwd out]}}\n"
        ]).result
        #expect(leaving.stderr.contains("is live"), "\(leaving.stderr)")
        #expect(FileSystem.linkStatus("\(world.staging)/current/out") == nil)
        #expect(
            world.log(2, "build").contains("the link out is left out, since it leads out of the artifact: /etc/passwd"))
        try await world.settled()
    }

    @Test func `what a build prints cannot forge a line or move the cursor`() async throws {
        let spec = """
            version: 0.2
            phases:
              build:
                commands:
                  - printf '\\033[2J\\r12:00:00 * production is live\\nno end'
            """
        let world = try await World(files: ["buildspec.yml": spec])
        let result = await world.push()
        let log = world.log(1, "build")
        #expect(log.contains("| ^[[2J\n") && log.contains("| 12:00:00 * production is live\n"), "\(log)")
        #expect(!result.text.contains("\u{1B}"))
        try await world.settled()
    }
}

@Suite struct SecretTests {
    @Test func `a secret appears in no log, artifact, argument list, event or answer`() async throws {
        let world = try await World()
        let secret = "hunter2-\(UUID().uuidString)"
        for environment in ["build", "staging"] {
            try world.must(await world.shipit("env", "set", environment, "--secret", "TOKEN", input: secret + "\n"))
        }
        try world.must(await world.shipit("env", "set", "staging", "PORT=8081"))
        #expect(await world.shipit("env", "list", "staging").stdout == "PORT=8081\nTOKEN=(secret)\n")
        let spec = """
            version: 0.2
            phases:
              build:
                commands:
                  - echo "the token is $TOKEN"; printf %s "$TOKEN" | base64 -w0; test -n "$TOKEN"
                  - printf %s "$TOKEN" | sha256sum | cut -c1-64 >digest
            """
        // While a script runs, every argument list of the machine is looked at.
        let look = """
            echo "$TOKEN"; env
            grep -laF "$TOKEN" /proc/[0-9]*/cmdline >\(world.path)/arguments 2>/dev/null
            exit 1
            """
        var files = world.hooks(["ValidateService": look])
        files["buildspec.yml"] = spec
        let push = try await world.ship(files).result
        #expect(push.stderr.contains("run 1 failed: staging"), "\(push.stderr)")
        #expect(!push.text.contains(secret) && world.log(1).contains("| ***\n"))
        #expect(world.log(1, "build").contains("| the token is ***"))
        // grep itself has the secret among its own arguments, and nobody else.
        #expect(world.read("\(world.path)/arguments")?.split(separator: "\n").count ?? 0 <= 2)
        try await world.settled()
        let found = await world.run(
            ["/usr/bin/grep", "-rlaF", secret, world.home, world.targets, world.repository], in: world.path)
        #expect(
            Set(found.stdout.split(separator: "\n").map(String.init)) == [
                "\(world.home)/apps/blog/environments/build.env", "\(world.home)/apps/blog/environments/staging.env",
            ])
        for words in [
            ["show", "1", "--json"], ["log", "1"], ["env", "list", "staging", "--json"], ["status", "--json"],
        ] {
            #expect(!(await world.run(["\(World.programs)/shipit"] + words, in: world.path).text.contains(secret)))
        }
        var status = stat()
        #expect(
            stat("\(world.home)/apps/blog/environments/staging.env", &status) == 0 && status.st_mode & 0o7777 == 0o600)
    }

    @Test(arguments: ["auto", "off"])
    func `a build's secret is in no argument list while the build runs`(sandbox: String) async throws {
        let world = try await World(extra: "build: {sandbox: \(sandbox)}")
        let secret = "hunter2 it's \"\(UUID().uuidString)\"\n$HOME `x`"
        try world.must(await world.shipit("env", "set", "build", "--secret", "TOKEN", input: secret + "\n"))
        let spec = """
            version: 0.2
            phases:
              pre_build: {commands: ['printf %s "$TOKEN" | sha256sum | cut -c1-64 >digest']}
              build: {commands: ['touch begun; while [ ! -e go ]; do sleep 0.02; done']}
            """
        try await world.commit(["buildspec.yml": spec])
        await world.push("-o", "detach", "main")
        let work = "\(world.home)/work"
        try await eventually("the build runs") {
            world.names(in: work).contains { world.exists("\(work)/\($0)/source/begun") }
        }
        let needle = Data(secret.split(separator: "\n")[0].utf8)
        let holders = world.names(in: "/proc").filter { Int($0) != nil }.filter {
            FileManager.default.contents(atPath: "/proc/\($0)/cmdline")?.range(of: needle) != nil
        }
        #expect(holders.isEmpty)
        for name in world.names(in: work) { try world.write("", to: "\(work)/\(name)/source/go") }
        try await world.settled()
        let digest = await world.run(["/usr/bin/sha256sum"], in: world.path, input: secret)
        #expect(world.current(nil, "digest")?.prefix(64) == digest.stdout.prefix(64))
    }
}
