import Foundation
import Glibc
import Testing

@testable import Shipit

/// Apps whose repository is elsewhere.
@Suite struct MirrorTests {
    /// A world with `elsewhere.git`, which the clone pushes to, and an app `blog` of its URL.
    private func makeWorld(_ url: (World) -> String = { "file://\($0.path)/elsewhere.git" }) async throws -> World {
        let world = try await World(app: false)
        try await world.git(in: world.path, "init", "-q", "--bare", "-b", "main", "\(world.path)/elsewhere.git")
        try await world.git(in: world.path, "init", "-q", "-b", "main", world.clone)
        try await world.git("remote", "add", "origin", "\(world.path)/elsewhere.git")
        try await world.commit(["index.html": "one\n"], "first")
        await world.push()
        let made = try world.must(
            await world.shipit("init", url(world), "--app", "blog", "--targets", world.targets))
        #expect(made.stderr.contains("fetched \(url(world)) into the mirror \(world.home)/mirrors/blog.git"))
        #expect(made.stderr.contains("is taken as known, not shipped"))
        #expect(!made.stderr.contains("hook"))
        return world
    }

    @Test func `what moves elsewhere ships once, and all but fetching works while that is gone`() async throws {
        let world = try await makeWorld()
        let nothing = try world.must(await world.shipit("fetch"))
        #expect(nothing.stderr == "nothing moved\n")
        try await world.commit(["index.html": "two\n"], "second")
        await world.push()
        let moved = try world.must(await world.shipit("fetch"))
        #expect(moved.stderr.contains("staging is live at"), "\(moved)")
        #expect(world.current() == "two\n")
        #expect(try world.must(await world.shipit("fetch")).stderr == "nothing moved\n")
        let pushes = try #require(try await world.json("runs", "--pushes") as? [[String: Any]])
        #expect(pushes.map { $0["by"] as? String } == ["fetched from \(world.path)/elsewhere.git"])
        try await world.settled()

        let second = try await world.git("rev-parse", "HEAD")
        let mirror = "\(world.home)/mirrors/blog.git"
        #expect(try await world.git("--git-dir", mirror, "rev-parse", "refs/shipit/blog/staging") == second)
        #expect(try await world.git("ls-remote", "origin", "refs/shipit/*") == "")
        #expect(await world.shipit("fsck").status == 0)

        rename("\(world.path)/elsewhere.git", "\(world.path)/gone.git")
        let failed = await world.shipit("fetch")
        #expect(failed.status == 2)
        #expect(failed.stderr.contains("error: file://\(world.path)/elsewhere.git could not be fetched: "))
        #expect(failed.stderr.contains("hint: next try "))
        let status = await world.shipit("status")
        #expect(status.stdout.contains("could not be fetched since"), "\(status)")
        #expect(status.stdout.contains("next try"))
        let fetch = ((try await world.json("status") as? [String: Any])?["apps"] as? [[String: Any]])?.first?["fetch"]
        #expect((fetch as? [String: Any])?["reason"] as? String != nil)
        #expect(await world.shipit("doctor").stdout.contains("could not be fetched since"))
        try world.must(await world.shipit("promote"))
        #expect(world.current(world.production) == "two\n")
        rename("\(world.path)/gone.git", "\(world.path)/elsewhere.git")
        #expect(try world.must(await world.shipit("fetch")).stderr == "nothing moved\n")
        #expect(!(await world.shipit("status").stdout.contains("could not be fetched")))

        // Another place for the same app: fetched anew from there.
        let other = "\(world.path)/other.git"
        try await world.git("clone", "-q", "--bare", world.clone, other)
        try await world.commit(["index.html": "three\n"], "third")
        try await world.git("push", "-q", other, "main")
        let policy = try #require(world.read("\(world.home)/apps/blog/pipeline.yml"))
        try world.write(
            policy.replacing("elsewhere.git", with: "other.git"), to: "\(world.home)/apps/blog/pipeline.yml",
            mode: 0o600)
        try world.must(await world.shipit("fetch"))
        #expect(world.current() == "three\n")
        try await world.settled()
        let removed = try world.must(await world.shipit("remove", "blog"))
        #expect(removed.stderr.contains("removed the mirror \(mirror)"))
        #expect(world.names(in: "\(world.home)/mirrors") == [])
    }

    @Test func `serving fetches by itself over the network, and goes on when the other side was away`() async throws {
        let port = try freePort()
        let url = "git://127.0.0.1:\(port)/elsewhere.git"
        func listen(_ world: World) async throws -> Child {
            let daemon = world.start([
                "/usr/bin/git", "daemon", "--reuseaddr", "--export-all", "--base-path=\(world.path)",
                "--listen=127.0.0.1", "--port=\(port)", world.path,
            ])
            try await eventually("the daemon answers") {
                await world.run(["/usr/bin/git", "ls-remote", url], in: world.path).status == 0
            }
            return daemon
        }
        let world = try await World(app: false)
        try await world.git(in: world.path, "init", "-q", "--bare", "-b", "main", "\(world.path)/elsewhere.git")
        try await world.git(in: world.path, "init", "-q", "-b", "main", world.clone)
        try await world.git("remote", "add", "origin", "\(world.path)/elsewhere.git")
        try await world.commit(["index.html": "one\n"], "first")
        await world.push()

        let early = await world.shipit("init", url, "--app", "blog", "--targets", world.targets)
        #expect(early.status == 2 && early.stderr.contains("could not be fetched"), "\(early)")
        #expect(!world.exists("\(world.home)/apps/blog") && world.names(in: "\(world.home)/mirrors") == ["blog.lock"])

        let daemon = try await listen(world)
        try world.must(await world.shipit("init", url, "--app", "blog", "--targets", world.targets))
        let file = "\(world.home)/apps/blog/pipeline.yml"
        let policy = try #require(world.read(file))
        try world.write(policy + "\nfetch: 10s\n", to: file, mode: 0o600)
        // An interval ago, as far as the ledger knows.
        let ledger = try world.installation().ledger
        let record = try #require(try ledger.fetchRecord(of: "blog"))
        try ledger.fetched(record, next: Timestamp(milliseconds: 0), known: [:])
        try await world.commit(["index.html": "two\n"], "second")
        await world.push()
        let server = world.startShipit("serve")
        try await eventually("it ships", within: .seconds(30)) { world.current() == "two\n" }
        let pushes = try #require(try await world.json("runs", "--pushes") as? [[String: Any]])
        #expect(pushes.map { $0["by"] as? String } == ["fetched from 127.0.0.1"])
        server.signal(SIGTERM)
        #expect(await server.end().status == 0)
        daemon.signal(SIGKILL)
        _ = await daemon.end()
    }

    @Test func `a mirror has the default branch of the other side, and init says that no trigger names it`()
        async throws
    {
        let world = try await World(app: false)
        let elsewhere = "\(world.path)/elsewhere.git"
        try await world.git(in: world.path, "init", "-q", "--bare", "-b", "trunk", elsewhere)
        try await world.git(in: world.path, "init", "-q", "-b", "trunk", world.clone)
        try await world.git("remote", "add", "origin", elsewhere)
        try await world.commit(["index.html": "one\n"], "first")
        try await world.git("push", "-q", "origin", "trunk", "trunk:old")
        let made = try world.must(
            await world.shipit("init", "file://\(elsewhere)", "--app", "blog", "--targets", world.targets))
        #expect(made.stderr.contains("no trigger of its policy names a branch that is there (old, trunk)"), "\(made)")
        let head = try await world.git("--git-dir", "\(world.home)/mirrors/blog.git", "symbolic-ref", "HEAD")
        #expect(head == "refs/heads/trunk")
    }

    @Test func `a fetch that a dead worker left is ended, and its half of a pack removed`() async throws {
        let world = try await makeWorld()
        let mirror = "\(world.home)/mirrors/blog.git"
        let pack = "\(mirror)/objects/pack"
        try FileManager.default.createDirectory(atPath: pack, withIntermediateDirectories: true)
        for name in ["\(pack)/tmp_pack_old", "\(mirror)/refs/heads/main.lock", "\(pack)/tmp_pack_new"] {
            try world.write("half", to: name)
            guard !name.hasSuffix("new") else { continue }
            let long = Date(timeIntervalSinceNow: -3600)
            try FileManager.default.setAttributes([.modificationDate: long], ofItemAtPath: name)
        }
        let left = world.start(
            ["/usr/bin/sleep", "600"], in: world.path, environment: ["SHIPIT_MARK": "fetch-\(mirror)"])
        try await world.commit(["index.html": "two\n"], "second")
        await world.push()
        try world.must(await world.shipit("fetch"))
        #expect(await left.end().status != 0)
        #expect(world.current() == "two\n")
        // The notes are written after the answer, and come in a pack too.
        try await world.settled()
        #expect(world.names(in: pack).filter { $0.hasPrefix("tmp_") } == ["tmp_pack_new"])
    }

    @Test(arguments: [
        ("https://ann:secret@git.example.org/blog.git", "holds no password"),
        ("https://ghp_secret@git.example.org/blog.git", "holds no password"),
        ("ann:secret@git.example.org:blog.git", "holds no password"),
        ("ext::sh -c secret", "no blanks"),
        ("ext::secret", "USER@HOST:PATH"),
        ("ftp://git.example.org/secret.git", "begins with https://"),
        ("ssh://-oProxyCommand=secret/blog.git", "names no host"),
        ("-oProxyCommand=secret:blog.git", "USER@HOST:PATH"),
        ("https://git.example.org", "names no repository"),
        ("https://git.example.org:port/blog.git", "port is a number"),
        ("file://server/srv/secret.git", "three slashes"),
        ("git.example.org:", "USER@HOST:PATH"),
    ])
    func `a URL that git must not be given is refused without repeating it`(url: String, expected: String) {
        let complaints = pipelineComplaints(smallPipeline.replacing("/srv/git/blog.git", with: "\"\(url)\""))
        #expect(complaints.count == 1 && complaints.first?.contains(expected) == true, "\(complaints)")
        #expect(!complaints.contains { $0.contains("secret") }, "\(complaints)")
    }

    @Test(arguments: [
        ("https://git.example.org/ann/blog.git", "git.example.org"),
        ("https://ann@git.example.org:8443/blog.git", "git.example.org"),
        ("ssh://git@git.example.org:2222/ann/blog.git", "git.example.org"),
        ("ssh://git@[::1]:22/blog.git", "[::1]"),
        ("git@git.example.org:ann/blog.git", "git.example.org"),
        ("git.example.org:blog.git", "git.example.org"),
        ("git://127.0.0.1/blog.git", "127.0.0.1"),
        ("file:///srv/git/blog.git", "/srv/git/blog.git"),
    ])
    func `a URL says where it is`(url: String, place: String) throws {
        #expect(try RemoteRepository(url)?.place == place)
    }

    @Test(arguments: ["/srv/git/blog.git", "blog.git", "./a:b", "/srv/a:b.git"])
    func `a path is no URL`(path: String) throws {
        #expect(try RemoteRepository(path) == nil)
    }

    @Test func `the interval has bounds, and a folder has none`() {
        let remote = smallPipeline.replacing("/srv/git/blog.git", with: "https://git.example.org/blog.git")
        #expect(pipelineComplaints(remote + "fetch: 30s\n") == [])
        #expect(pipelineComplaints(remote + "fetch: 5s\n").first?.contains("at least 10s") == true)
        #expect(pipelineComplaints(smallPipeline + "fetch: 1m\n").first?.contains("this one is a folder") == true)
    }

    @Test func `git may use five protocols, asks nobody, and gets nothing of ours`() throws {
        let remote = try #require(try RemoteRepository("git@git.example.org:ann/blog.git"))
        let command = Mirror(home: Home("/nowhere"), app: "blog", remote: remote).command
        #expect(command.environment["GIT_ALLOW_PROTOCOL"] == "https:http:ssh:git:file")
        #expect(command.environment["GIT_TERMINAL_PROMPT"] == "0")
        #expect(command.environment["SHIPIT_HOME"] == nil)
        #expect(command.arguments.contains("fetch.fsckObjects=true"))
        #expect(command.arguments.last == "+refs/tags/*:refs/tags/*")
    }

    @Test func `after each failure the pause doubles up to its bound`() {
        let backoff = Backoff(.seconds(60), atMost: .seconds(1800))
        #expect((1...7).map { backoff.pause(after: $0).inSeconds / 60 } == [1, 2, 4, 8, 16, 30, 30])
        #expect(backoff.pause(after: .max) == .seconds(1800))
    }

    /// One that nobody has just now.
    private func freePort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, length) == 0 && getsockname(descriptor, address, &length) == 0
            }
        }
        try #require(result)
        return UInt16(bigEndian: address.sin_port)
    }
}
