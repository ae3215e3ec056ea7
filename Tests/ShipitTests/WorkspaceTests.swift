import Foundation
import Glibc
import Testing

@testable import Shipit

extension World {
    /// A world whose builds patch their workspace; `script` is what they do before everything is packed.
    fileprivate static func patching(_ script: String, files: [String: String] = [:]) async throws -> World {
        try await World(
            extra: "build: {workspace: patched}",
            files: files.merging([
                "buildspec.yml": "version: 0.2\nphases: {build: {commands: [sh build.sh]}}\n", "build.sh": script,
            ]) { own, _ in own })
    }

    fileprivate func workspaceLog(_ run: Int) -> String {
        log(run, "build").split(separator: "\n").filter { $0.contains("workspace:") }.joined(separator: "\n")
    }

    fileprivate var kept: String { "\(home)/work/kept-blog" }
    fileprivate var content: [String] {
        (try? FileManager.default.subpathsOfDirectory(atPath: "\(staging)/current/."))?.sorted() ?? []
    }
}

@Suite struct WorkspaceTests {
    @Test func `a patched workspace has what git has and what the build made`() async throws {
        let world = try await World.patching(
            "echo run >>made; ls -i same >inode",
            files: ["same": "same\n", "gone": "x", "dir/gone": "x", "changed": "one\n"])
        await world.push()
        #expect(world.workspaceLog(1).contains("workspace: fresh, since no successful build has left one"))
        #expect(world.exists(world.kept) && world.names(in: "\(world.home)/work") == ["kept-blog"])
        let inode = world.current(nil, "inode")
        #expect(await world.shipit("fsck").status == 0)
        try await world.ship(["gone": "", "dir/gone": "", "changed": "two\n", "new/er/file": "new\n"])
        #expect(world.workspaceLog(2).contains("workspace: that of run 1, patched from "), "\(world.workspaceLog(2))")
        #expect(world.workspaceLog(2).contains(": 4 written, 3 removed, after "), "\(world.workspaceLog(2))")
        #expect(world.current(nil, "made") == "run\nrun\n" && world.current(nil, "inode") == inode)
        #expect(world.current(nil, "changed") == "two\n" && world.current(nil, "new/er/file") == "new\n")
        #expect(
            world.content == [
                "build.sh", "buildspec.yml", "changed", "inode", "made", "new", "new/er", "new/er/file", "same",
            ])
        #expect(await world.shipit("start", "--rebuild").status == 0)
        #expect(world.current(nil, "made") == "run\n" && world.workspaceLog(3) == "")
        try await world.settled()
    }

    @Test func `what a build did to the files of git is put right`() async throws {
        let outside = "in"
        let script = """
            ls -lR . >before 2>&1; cat edited deleted sub/file link run swapped/f >>before 2>&1
            echo evil >edited; touch -d @1 edited; rm deleted; rm -r sub; ln -s swapped sub
            chmod 000 mode; chmod 700 swapped; rm link; ln -s / link; mkdir -p run.d; rm run; mkdir run; touch run/own
            ln same hard
            """
        let files = [
            "edited": "good\n", "deleted": "deleted\n", "sub/file": "sub\n", "same": "s", "mode": "m", "run": "#!run\n",
            "swapped/f": "f\n",
            "buildspec.yml":
                "version: 0.2\nphases: {build: {commands: [sh build.sh]}}\nartifacts: {files: [before]}\n",
        ]
        let world = try await World.patching(script, files: files)
        symlink("edited", "\(world.clone)/link")
        try await world.git("add", "-A")
        try await world.git("commit", "-qm", outside)
        await world.push()
        let first = world.current(nil, "before")?.split(separator: "\n").suffix(6)
        try await world.ship(["a": "1"])
        let log = world.workspaceLog(2)
        #expect(log.contains("patched from"), "\(log)")
        let second = world.current(nil, "before") ?? ""
        #expect(second.split(separator: "\n").suffix(6) == first && first?.first == "good", "\(second)")
        #expect(second.contains("link -> edited") && second.contains("-rwxr-xr-x 1") && !second.contains("own"))
        #expect(!second.contains("---------- "))
        try await world.settled()
    }

    @Test func `a revision that turns files into folders and back is followed, attributes too`() async throws {
        let world = try await World.patching(
            "mkdir -p out x; touch out/made x/made", files: ["x": "file\n", "y/a": "a", "y/b/c": "c", "secret": "s"])
        try await world.commit(["build.sh": "mkdir -p out; touch out/made"])
        await world.push()
        #expect(world.content.contains("secret"))
        try await world.git("rm", "-rq", "x", "y")
        try await world.ship([
            "x/made/deep": "deep\n", "y": "file\n", "out": "tracked now\n", "build.sh": "echo",
            ".gitattributes": "secret export-ignore\n.gitattributes export-ignore\n",
        ])
        #expect(world.workspaceLog(2).contains("patched from"), "\(world.workspaceLog(2))")
        #expect(world.content == ["build.sh", "buildspec.yml", "out", "x", "x/made", "x/made/deep", "y"])
        #expect(world.current(nil, "y") == "file\n" && world.current(nil, "out") == "tracked now\n")
        try await world.git("rm", "-rq", ".gitattributes")
        try await world.ship(["b": "b"])
        #expect(world.content.contains("secret") && world.content.contains("b"))
        try await world.settled()
    }

    @Test func `on any doubt a fresh one is made`() async throws {
        let world = try await World.patching("[ ! -f fail ]; echo run >>made; [ ! -f fail ]")
        await world.push()
        try await world.ship(["fail": "x"])
        #expect(!world.exists(world.kept))
        try await world.ship(["fail": ""])
        #expect(
            world.workspaceLog(3).contains("fresh, since no successful build has left one")
                && world.current(nil, "made") == "run\n")

        try world.setPolicy(extra: "build: {workspace: patched, timeout: 50m}")
        try await world.ship(["a": "1"])
        #expect(
            world.workspaceLog(4).contains("fresh, since the policy was changed since run 3"),
            "\(world.workspaceLog(4))")
        #expect(world.current(nil, "made") == "run\n")

        let index = "\(world.home)/caches/blog/workspace"
        let text = try #require(world.read(index))
        try world.write(text.replacing(Boot.id, with: "another"), to: index)
        try await world.ship(["a": "2"])
        #expect(world.workspaceLog(5).contains("fresh, since the machine was started since run 4"))

        try world.write(String(try #require(world.read(index)).dropLast(10)), to: index)
        try await world.ship(["a": "3"])
        #expect(world.workspaceLog(6).contains("fresh, since \(index) is damaged"), "\(world.workspaceLog(6))")

        rename(world.kept, "\(world.path)/kept")
        mkdir(world.kept, 0o755)
        try await world.ship(["a": "4"])
        #expect(world.workspaceLog(7).contains("fresh, since it is not that of run 6"))

        try world.setPolicy()
        try await world.ship(["a": "5"])
        #expect(world.current(nil, "made") == "run\n" && !world.exists(world.kept))
        try await world.settled()
    }

    @Test(arguments: [Failpoint.workspaceTaken, .buildExported, .buildBeforePack, .workspaceBeforeKept])
    func `a build that dies in a patched workspace leaves it to nobody`(point: Failpoint) async throws {
        let world = try await World.patching("echo run >>made")
        await world.push()
        try await world.settled()
        try await world.commit(["a": "1"])
        await world.push("-o", "detach", "main", environment: ["SHIPIT_FAILPOINT": "\(point.rawValue):kill"])
        try await eventually("the worker dies") { world.survivors().isEmpty }
        try world.must(await world.shipit("work"))
        #expect(world.current(nil, "a") == "1")
        // Where the artifact was kept before, nothing is built again.
        let isBuilt = point == .workspaceBeforeKept
        #expect(world.current(nil, "made") == (isBuilt ? "run\nrun\n" : "run\n"))
        #expect(world.names(in: "\(world.home)/work") == (isBuilt ? [] : ["kept-blog"]))
        #expect(world.names(in: "\(world.home)/caches/blog") == (isBuilt ? [] : ["workspace"]))
        #expect(await world.shipit("fsck").status == 0)
        try await world.settled()
    }

    @Test func `a kept workspace holds no secret of the build's shell, survives workers and gc, and goes with its app`()
        async throws
    {
        let world = try await World.patching("echo $HOME >>made; touch $HOME/kept /tmp/temporary")
        await world.push()
        try await world.settled()
        #expect(world.names(in: world.kept) == ["home", "source"])
        #expect(world.names(in: "\(world.kept)/home") == ["kept"])
        try world.must(await world.shipit("work"))
        let gc = await world.shipit("gc")
        #expect(!gc.stdout.contains("kept-blog") && world.exists(world.kept))
        mkdir("\(world.home)/work/kept-other", 0o755)
        mkdir("\(world.home)/work/9-9-9", 0o755)
        #expect(await world.shipit("fsck").text.contains("work/kept-other"))
        try world.must(await world.shipit("gc"))
        #expect(world.names(in: "\(world.home)/work") == ["kept-blog"])
        try world.setPolicy()
        #expect(await world.shipit("gc").stdout.contains("removed \(world.kept)"))
        try world.setPolicy(extra: "build: {workspace: patched}")
        try await world.ship(["a": "1"])
        try await world.settled()
        #expect(world.exists(world.kept))
        #expect(await world.shipit("remove", "blog").status == 0)
        #expect(world.names(in: "\(world.home)/work") == [])
        try await world.settled()
    }

    @Test func `a cache and a patched workspace go together`() async throws {
        let world = try await World.patching("mkdir -p deps; echo run >>deps/lib; cp deps/lib found; [ ! -f fail ]")
        try await world.commit([
            "buildspec.yml":
                "version: 0.2\nphases: {build: {commands: [sh build.sh]}}\ncache: {key: k, paths: [deps]}\n"
        ])
        await world.push()
        #expect(world.log(1, "build").contains("cache: saved deps for \"k\" by copying"), "\(world.log(1, "build"))")
        try await world.ship(["a": "1"])
        #expect(world.log(2, "build").contains("cache: the patched workspace has what its build left"))
        #expect(world.current(nil, "found") == "run\nrun\n")
        try await world.ship(["fail": "x"])
        try await world.ship(["fail": ""])
        #expect(world.log(4, "build").contains("cache: restored deps of \"k\" (exact)"))
        #expect(world.current(nil, "found") == "run\nrun\n")
        try await world.settled()
    }
}
