import Foundation
import Glibc
import Testing

@testable import Shipit

extension Failpoint {
    /// Steps that are reached only where a buildspec has a cache or a policy keeps workspaces.
    static let ofKeeping: Set<Failpoint> = [
        .cacheTaken, .cacheBeforeSave, .workspaceTaken, .workspaceBeforeKept, .notifyDelivered,
    ]
    /// Steps of `deploy-local`.
    static let ofInstalling: Set<Failpoint> = [
        .installStaged, .installJournalled, .installExchanged, .installDone, .installPutBack,
    ]
}

extension World {
    /// A buildspec whose build says in `found` what it found in deps/, makes that if it is not there, and does `more`.
    fileprivate static func caching(
        _ more: String = ":", cache: String = "{key: 'deps-$(codebuild-hash-files lock)', paths: ['deps/**/*']}"
    ) -> String {
        """
        version: 0.2
        phases:
          build:
            commands:
              - if [ -f deps/lib ]; then cat deps/lib; else echo none; fi >found
              - mkdir -p deps; [ -f deps/lib ] || cp lock deps/lib
              - "\(more)"
        artifacts: {files: [found]}
        cache: \(cache)
        """
    }

    fileprivate var found: String? { current(nil, "found") }
    fileprivate var caches: String { "\(home)/caches/blog" }
    /// What shipit said about the cache in a run's build.
    fileprivate func cacheLog(_ run: Int) -> String {
        log(run, "build").split(separator: "\n").filter { $0.contains("cache:") }.joined(separator: "\n")
    }
}

@Suite struct CacheTests {
    @Test func `what a build keeps is there for the next, and is lent by rename once a build left it alone`()
        async throws
    {
        let world = try await World(files: ["buildspec.yml": World.caching(), "lock": "one\n"])
        await world.push()
        #expect(world.found == "none\n")
        #expect(world.cacheLog(1).contains("nothing is kept for \"deps-"))
        #expect(world.cacheLog(1).contains("saved deps for \"deps-") && world.cacheLog(1).contains("by rename, 4 B in"))
        try await world.ship(["a": "1"])
        #expect(world.found == "one\n")
        #expect(world.cacheLog(2).contains("restored deps of \"deps-"), "\(world.cacheLog(2))")
        #expect(world.cacheLog(2).contains("(exact) by copying, 4 B in 2 entries, after "), "\(world.cacheLog(2))")
        #expect(world.cacheLog(2).contains("deps is as it was, and stays"))
        // A build that fails gives back what it left alone.
        try await world.ship(["buildspec.yml": World.caching("exit 3")])
        #expect(world.cacheLog(3).contains("(exact) by rename"), "\(world.cacheLog(3))")
        try await world.ship(["buildspec.yml": World.caching()])
        #expect(world.cacheLog(4).contains("(exact) by rename"), "\(world.cacheLog(4))")
        #expect(world.found == "one\n")
        #expect(world.names(in: world.caches).count == 1)
        #expect(await world.shipit("fsck").status == 0)
        try await world.settled()
    }

    @Test func `what a failed build changed is never used again, and what was copied for it is not lost`() async throws
    {
        let world = try await World(files: ["buildspec.yml": World.caching(), "lock": "one\n"])
        await world.push()
        // Not known to be left alone yet, so it was copied.
        try await world.ship(["buildspec.yml": World.caching("echo bad >deps/lib; exit 1")])
        try await world.ship(["buildspec.yml": World.caching()])
        #expect(world.found == "one\n")
        #expect(world.cacheLog(3).contains("stays"))
        // Known to be left alone, so it was lent.
        try await world.ship(["buildspec.yml": World.caching("echo bad >deps/lib; exit 1")])
        #expect(world.cacheLog(4).contains("was changed by a build that did not succeed: it is not kept"))
        try await world.ship(["buildspec.yml": World.caching()])
        #expect(world.found == "none\n")
        #expect(world.names(in: world.caches).count == 1)
        try await world.settled()
    }

    @Test func `a successful build's changes replace what was kept`() async throws {
        let change = World.caching("echo more >>deps/lib")
        let world = try await World(files: ["buildspec.yml": change, "lock": "one\n"])
        await world.push()
        for run in 2...3 {
            try await world.ship(["a": "\(run)"])
            #expect(world.cacheLog(run).contains("by copying") && world.cacheLog(run).contains("saved deps"))
        }
        #expect(world.found == "one\nmore\nmore\n")
        try await world.settled()
    }

    @Test func `another key takes the newest under its fallbacks, and the older entry stays as it is`() async throws {
        let cache = """
            {key: 'deps-$(codebuild-hash-files lock)', fallback-keys: [nothing-, deps-], paths: [deps]}
            """
        let world = try await World(files: ["buildspec.yml": World.caching(cache: cache), "lock": "one\n"])
        await world.push()
        try await world.ship(["lock": "two\n", "buildspec.yml": World.caching("echo 2 >>deps/lib", cache: cache)])
        #expect(world.found == "one\n")
        #expect(world.cacheLog(2).contains("(by the fallback \"deps-\") by copying"), "\(world.cacheLog(2))")
        #expect(world.names(in: world.caches).count == 2)
        try await world.ship(["lock": "one\n"])
        #expect(world.found == "one\n")
        #expect(world.cacheLog(3).contains("(exact)"))
        try await world.ship(["lock": "three\n"])
        #expect(world.found == "one\n2\n", "the newest")
        try await world.settled()
    }

    @Test func `restore and save can be had alone, and a rebuild begins without and replaces it`() async throws {
        func spec(_ action: String, _ more: String = ":") -> String {
            World.caching(more, cache: "{key: k, paths: [deps/], action: \(action)}")
        }
        let world = try await World(files: ["buildspec.yml": spec("restore"), "lock": "one\n"])
        await world.push()
        #expect(world.names(in: world.caches) == [])
        try await world.ship(["buildspec.yml": spec("save")])
        try await world.ship(["lock": "two\n"])
        #expect(world.found == "none\n" && world.cacheLog(3).contains("saved deps"))
        try await world.ship(["buildspec.yml": spec("restore", "echo more >>deps/lib")])
        #expect(world.found == "two\n" && !world.cacheLog(4).contains("saved"))
        try await world.ship(["buildspec.yml": World.caching(cache: "{key: k, paths: [deps/]}"), "lock": "three\n"])
        #expect(world.found == "two\n")
        #expect(await world.shipit("start", "--rebuild").status == 0)
        #expect(world.found == "none\n" && world.cacheLog(6).contains("saved deps"))
        try await world.ship(["a": "a"])
        #expect(world.found == "three\n")
        try await world.settled()
    }

    @Test func `globs, single files, several folders and the build's home are kept`() async throws {
        let spec = """
            version: 0.2
            env: {variables: {KIND: kit}}
            phases:
              build:
                commands:
                  - ls -d $HOME/.m2/x $HOME/.tool/* one.log p/*/m/f deep/er/file >found 2>/dev/null || true
                  - mkdir -p $HOME/.m2 p/a/m p/b/m $HOME/.tool/d deep/er
                  - touch $HOME/.m2/x one.log two.txt p/a/m/f p/b/m/f $HOME/.tool/d/1 deep/er/file; ln -sf /etc deep/link
            artifacts: {files: [found]}
            cache:
              key: $KIND
              paths: ['/root/.m2/**/*', '*.log', 'p/*/m/**/*', '~/.tool/*', deep/er/file, deep/link, missing, /var/lib/x]
            """
        let world = try await World(files: ["buildspec.yml": spec])
        await world.push()
        #expect(
            world.log(1, "build").contains(
                "warning: the cache path \"/var/lib/x\" is neither in the source nor in the build's home (/root, ~): left out"
            ))
        try await world.ship(["a": "a"])
        #expect(
            world.found?.split(separator: "\n").sorted() == [
                "/root/.m2/x", "/root/.tool/d", "deep/er/file", "one.log", "p/a/m/f", "p/b/m/f",
            ])
        try await world.settled()
    }

    @Test func `links in a later revision lead nothing astray`() async throws {
        let cache = "{paths: [a/b/deps, top], key: k}"
        let spec = """
            version: 0.2
            phases: {build: {commands: ['mkdir -p a/b/deps top; echo kept >a/b/deps/f; echo kept >top/f', 'ls -lR >found']}}
            artifacts: {files: [found]}
            cache: \(cache)
            """
        let world = try await World(files: ["buildspec.yml": spec])
        await world.push()
        let outside = "\(world.path)/outside"
        mkdir(outside, 0o777)
        chmod(outside, 0o777)
        mkdir("\(outside)/b", 0o777)
        // Its own links are its own: nothing is packed here, and nothing of it is written to by anyone but the build.
        let look = """
            version: 0.2
            phases: {build: {commands: ['ls -l >found']}}
            artifacts: {files: [found]}
            cache: \(cache)
            """
        try await world.commit(["buildspec.yml": look])
        symlink(outside, "\(world.clone)/a")
        symlink("\(outside)/b", "\(world.clone)/top")
        let inside = "\(world.clone)/inside"
        symlink("buildspec.yml", inside)
        try await world.git("add", "-A")
        try await world.git("commit", "-qm", "links")
        await world.push()
        #expect(world.names(in: "\(outside)/b") == [] && world.names(in: outside) == ["b"])
        // Links out of the tree are refused before anything is restored, links inside it stand in the way.
        unlink("\(world.clone)/a")
        unlink("\(world.clone)/top")
        try world.write("x", to: "\(world.clone)/real/b/x")
        symlink("real", "\(world.clone)/a")
        symlink("real/b", "\(world.clone)/top")
        try await world.git("add", "-A")
        try await world.git("commit", "-qm", "links inside")
        let push = await world.push()
        #expect(push.stderr.contains("staging is live"), "\(push.stderr)")
        #expect(world.cacheLog(3).contains("a/b/deps is left out: the revision has no folder where it would be"))
        #expect(world.found?.contains("top -> real/b") == true)
        try await world.settled()
    }

    @Test func `what an unenclosed build left is not given to an enclosed one`() async throws {
        let world = try await World(
            extra: "build: {sandbox: off}",
            files: ["buildspec.yml": World.caching(cache: "{paths: [deps]}"), "lock": "one\n"])
        await world.push()
        try await world.ship(["a": "1"])
        #expect(world.found == "one\n" && world.cacheLog(2).contains("(there is one cache, without a key)"))
        try world.setPolicy()
        try await world.ship(["a": "2"])
        #expect(world.found == "none\n")
        #expect(world.names(in: world.caches).count == 2)
        try await world.settled()
    }

    @Test(arguments: [
        (Failpoint.cacheTaken, "kill"), (.cacheBeforeSave, "kill"), (.buildExported, "kill"),
        (.cacheTaken, "error=ENOSPC"),
    ])
    func `a machine that goes down in the middle leaves a whole entry or none`(point: Failpoint, how: String)
        async throws
    {
        let world = try await World(files: ["buildspec.yml": World.caching(), "lock": "one\n"])
        await world.push()
        try await world.ship(["a": "1"])
        try await world.settled()
        // Lent by now, and changed, so that there is something to save.
        let revision = try await world.commit(["buildspec.yml": World.caching("echo more >>deps/lib")])
        await world.push("-o", "detach", "main", environment: ["SHIPIT_FAILPOINT": "\(point.rawValue):\(how)"])
        try await world.settled()
        try world.must(await world.shipit("work"))
        #expect(try await world.live() == revision)
        #expect(["none\n", "one\n"].contains(world.found), "\(world.found ?? "")")
        #expect(world.names(in: world.caches).allSatisfy { $0.count == 64 }, "\(world.names(in: world.caches))")
        #expect(await world.shipit("fsck").status == 0)
        try await world.ship(["a": "2"])
        let found = try #require(world.found)
        #expect(found == "none\n" || found.hasPrefix("one\n") && found.hasSuffix("more\n"), "\(found)")
        try await world.settled()
    }

    @Test func `an entry outlives a restart of the machine only once it is on the disk`() async throws {
        let world = try await World(files: ["buildspec.yml": World.caching(), "lock": "one\n"])
        await world.push()
        try await world.settled()
        let entry = "\(world.caches)/\(try #require(world.names(in: world.caches).first))"
        #expect(world.exists("\(entry)/settled"))
        func restart() throws {
            let text = try #require(world.read("\(entry)/entry.json")).replacing(Boot.id, with: "another")
            try world.write(text, to: "\(entry)/entry.json")
        }
        try restart()
        try await world.ship(["a": "1"])
        #expect(world.found == "one\n")
        try await world.settled()
        unlink("\(entry)/settled")
        let gc = await world.shipit("gc")
        #expect(gc.stdout.contains("removed \(entry)"), "\(gc)")
        try await world.ship(["a": "2"])
        #expect(world.found == "none\n")
        try await world.settled()
    }

    @Test func `the least recently used go first, and gc and remove know the rest`() async throws {
        let world = try await World(files: ["buildspec.yml": World.caching(), "lock": "0\n"])
        await world.push()
        for lock in 1...3 { try await world.ship(["lock": "\(lock)\n"]) }
        try await world.ship(["lock": "0\n"])
        try await world.settled()
        var cache = BuildCache(Home(world.home), "blog")
        #expect(cache.entries().count == 4 && cache.surplus().isEmpty && cache.removable() == [])
        cache.limits.entries = 2
        #expect(Set(cache.surplus().map(\.record.run)) == [2, 3])
        cache.limits = BuildCache.Limits()
        cache.limits.bytes = 5
        #expect(cache.surplus().count == 2)
        cache.limits.bytes = 0
        #expect(cache.surplus().count == 4)
        mkdir("\(world.caches)/aside-1-1-1", 0o700)
        mkdir("\(world.home)/caches/gone", 0o700)
        let gc = await world.shipit("gc")
        #expect(gc.stdout.contains("caches/blog/aside-1-1-1") && gc.stdout.contains("caches/gone"))
        #expect(world.names(in: world.caches).count == 4)
        #expect(await world.shipit("remove", "blog").status == 0)
        #expect(!world.exists(world.caches))
        try await world.settled()
    }
}
