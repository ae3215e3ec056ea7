import Foundation
import Glibc
import Synchronization
import Testing

@testable import Shipit

/// What is noticed although no hook told of it, and what goes on although a worker died.
@Suite struct WatcherTests {
    /// Serves until the world ends; returns once it works.
    private func serve(_ world: World) async throws -> Child {
        let server = world.startShipit("serve")
        try await eventually("somebody serves") { server.stderr.contains("begins") }
        return server
    }

    private func removeHook(_ world: World) { unlink("\(world.repository)/hooks/post-receive") }

    @Test func `while serving, a push without its hook runs once, whatever else happens to the references`()
        async throws
    {
        let world = try await World()
        await world.push()
        try await world.settled()
        removeHook(world)
        let server = try await serve(world)
        let began = ContinuousClock.now
        // Two hundred branches that no trigger names, in as many folders.
        let lines = (0..<200).map { "create refs/heads/topic-\($0)/work main" }.joined(separator: "\n") + "\n"
        let made = await world.run(
            ["/usr/bin/git", "update-ref", "--stdin"], in: world.repository, environment: ["GIT_DIR": "."], input: lines
        )
        #expect(made.status == 0, "\(made)")
        let revision = try await world.ship(["index.html": "two\n"]).revision
        try await world.git(in: world.repository, "pack-refs", "--all")
        try await world.git(in: world.repository, "gc", "-q")
        try await eventually("the push runs", within: .seconds(40)) { world.current() == "two\n" }
        // The slow comparison alone would come after half a minute, and wait for ten seconds more.
        #expect(ContinuousClock.now - began < .seconds(35))
        #expect(try await world.runs().count == 2)
        let pushes = try #require(try await world.json("runs", "--pushes") as? [[String: Any]])
        #expect(pushes.first?["by"] as? String == "unknown (found by comparing)")
        // A spool file that comes after all is the same push.
        let zero = String(repeating: "0", count: 40)
        try world.must(await world.shipit("init", world.repository, "--targets", world.targets))
        let late = await world.run(
            ["\(world.repository)/hooks/post-receive"], in: world.repository, environment: ["GIT_DIR": "."],
            input: "\(zero) \(revision) refs/heads/main\n")
        #expect(late.text.contains("run 2 of blog"), "\(late)")
        #expect(try await world.runs().count == 2)
        server.signal(SIGTERM)
        #expect(await server.end().status == 0)
    }

    @Test func `a push whose hook was killed after the references had moved runs while serving`() async throws {
        let world = try await World()
        let server = try await serve(world)
        let push = await world.push(environment: ["SHIPIT_FAILPOINT": "receive-after-keep:kill"])
        #expect(push.status == 0)
        try await eventually("the push runs", within: .seconds(40)) { world.current() == "one\n" }
        #expect(try await world.runs().count == 1)
        server.signal(SIGTERM)
        #expect(await server.end().status == 0)
    }

    @Test func `a repository that is deleted and made again is watched again`() async throws {
        let world = try await World()
        await world.push()
        try await world.settled()
        removeHook(world)
        let server = try await serve(world)
        let began = ContinuousClock.now
        try FileManager.default.moveItem(atPath: world.repository, toPath: "\(world.path)/away.git")
        try await eventually("it is missed") { server.stderr.contains("could not open the repository") }
        try await world.commit(["index.html": "two\n"])
        try await world.git("clone", "-q", "--bare", world.clone, world.repository)
        try await eventually("the push runs", within: .seconds(50)) { world.current() == "two\n" }
        #expect(ContinuousClock.now - began < .seconds(35))
        #expect(try await world.runs().count == 2)
        server.signal(SIGTERM)
        #expect(await server.end().status == 0)
    }

    @Test func `when the worker is killed, whoever follows a run starts another`() async throws {
        let world = try await World(extra: "build: {sandbox: off}")
        try await world.commit([
            "buildspec.yml": """
            version: 0.2
            phases:
              build:
                commands:
                  - while [ ! -e \(world.path)/go ]; do sleep 0.02; done
            """
        ])
        let follower = world.start(["/usr/bin/git", "push", "-q", "origin", "main"], in: world.clone)
        try await eventually("the build runs") { try await world.status(of: 1) == "running" }
        let worker = try #require(try world.installation().ledger.lastWorker())
        kill(worker.pid, SIGKILL)
        try world.write("", to: "\(world.path)/go")
        let said = await follower.end()
        #expect(said.stderr.contains("staging is live at"), "\(said)")
        #expect(world.current() == "one\n")
        #expect(try await world.runs().count == 1)
        try await world.settled()
    }

    @Test
    func `locks, objects and settings of a repository are nobody's reference, and what is watched follows the folders`()
        async throws
    {
        let folder = FileManager.default.temporaryDirectory.appending(path: "watch-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }  // only a scratch folder
        func make(_ path: String) throws {
            try FileManager.default.createDirectory(atPath: "\(folder)/\(path)", withIntermediateDirectories: true)
        }
        func write(_ path: String) throws { try Data("x".utf8).write(to: URL(filePath: "\(folder)/\(path)")) }
        for path in ["blog/refs/heads", "blog/refs/tags", "still/refs/heads", "still/objects/aa"] { try make(path) }
        let repositories = ["blog": "\(folder)/blog", "still": "\(folder)/still", "gone": "\(folder)/gone.git"]
        let watch = try ReferenceWatch { Issue.record("\($0)") }
        watch.follow(repositories)
        let wakes = Wakes()
        let running = Task { await watch.run { wakes.count() } }
        /// Each change wakes once or more, as the kernel hands it over.
        func noticed(_ what: String) async throws -> Set<String> {
            var changed: Set<String> = []
            try await eventually(what, within: .seconds(180)) {
                changed.formUnion(watch.takeChanges())
                return !changed.isEmpty
            }
            #expect(wakes.number > 0)
            return changed
        }
        for path in ["packed-refs.lock", "refs/heads/main.lock", "objects/aa/x", "config", "FETCH_HEAD"] {
            try write("still/\(path)")
        }
        // What counts comes after what does not: who hears of it has heard of all before.
        try write("blog/refs/heads/main")
        #expect(try await noticed("main is noticed") == ["blog"])
        try make("blog/refs/heads/topic")
        #expect(try await noticed("the folder is noticed") == ["blog"])
        watch.follow(repositories)
        _ = watch.takeChanges()
        try write("blog/refs/heads/topic/one")
        #expect(try await noticed("a branch in it is noticed") == ["blog"])
        running.cancel()
        await running.value
    }
}

private final class Wakes: Sendable {
    private let state = Mutex(0)
    func count() { state.withLock { $0 += 1 } }
    var number: Int { state.withLock { $0 } }
}
