import ArtifactKit
import CLinux
import Foundation
import GitKit
import CLinux
import Glibc
import Synchronization
import Testing

@testable import Shipit

extension World {
    fileprivate static let oneEnvironment = """
        environments:
          - name: staging
            targets: [@TARGETS@/staging]
            keep: 0
        """

    /// Inodes of regular files below a folder.
    fileprivate func inodes(below folder: String) -> Set<UInt64> {
        var found: Set<UInt64> = []
        for name in FileManager.default.enumerator(atPath: folder)?.compactMap({ $0 as? String }) ?? [] {
            var status = stat()
            if lstat("\(folder)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFREG {
                found.insert(UInt64(status.st_ino))
            }
        }
        return found
    }

    /// Lets a release look as if it had not been live for a while.
    fileprivate func age(_ release: String) throws {
        var times = [timeval(tv_sec: time(nil) - 120, tv_usec: 0), timeval(tv_sec: time(nil) - 120, tv_usec: 0)]
        try #require(utimes("\(staging)/.shipit/indexes/\(release)", &times) == 0)
    }

    /// The number of a file and when it was made, which no other file has, even one that took over the number.
    fileprivate func birth(of path: String) async throws -> String {
        let result = await run(["/usr/bin/stat", "-c", "%i %w", path], in: self.path)
        try #require(result.status == 0, "\(result)")
        return result.stdout
    }

    fileprivate func inode(_ path: String) -> UInt64? {
        var status = stat()
        return stat(path, &status) == 0 ? UInt64(status.st_ino) : nil
    }
}

@Suite struct SpareTests {
    private static let files = Dictionary(uniqueKeysWithValues: (0..<40).map { ("d\($0 / 8)/f\($0)", "file \($0)\n") })

    @Test func `a release is made of the spare one, and no two of them share a file`() async throws {
        let world = try await World(files: Self.files)
        for round in 1...4 {
            try await world.ship(["index.html": "\(round)\n", "d1/f8": "round \(round)\n"])
            try await world.settled()
            #expect(world.current() == "\(round)\n")
            #expect(world.current(nil, "d4/f39") == "file 39\n")
            if round > 1 {
                #expect(world.log(round).contains("patched the spare release: 2 files"), "\(world.log(round))")
            }
        }
        var seen: Set<UInt64> = []
        for folder in world.releases().map({ "\(world.staging)/releases/\($0)" }) + ["\(world.staging)/.shipit/spare"] {
            let inodes = world.inodes(below: folder)
            #expect(inodes.count >= 41)
            #expect(seen.isDisjoint(with: inodes))
            seen.formUnion(inodes)
        }
        #expect(await world.shipit("verify").status == 0)
        #expect(await world.shipit("fsck").status == 0)
    }

    @Test func `what was left in a release that is used again does not come back`() async throws {
        let world = try await World(
            files: Self.files.merging([
                "appspec.yml": """
                version: 0.0
                os: linux
                hooks:
                  AfterInstall: [{ location: leave }]
                """,
                "leave": """
                #!/bin/sh
                cd "$SHIPIT_RELEASE_DIR"
                mkdir -p d1/cache && echo left >d1/cache/left && echo left >left-"${PWD##*/}" && rm d2/f16
                echo edited >d3/f24; chmod 600 d3/f25; mkfifo pipe; ln -s /etc/passwd d0/link
                """,
            ]) { $1 })
        for round in 1...3 { try await world.ship(["index.html": "\(round)\n"]) }
        try await world.settled()
        let first = try #require(world.releases().first)
        let inode = try #require(world.inode("\(world.staging)/releases/\(first)"))
        try world.age(first)
        // Where some process cannot be looked into, no release is ever used again, so nobody is asked here.
        try FileManager.default.removeItem(atPath: "\(world.staging)/.shipit/spare")
        let root = try Directory(path: world.staging)
        #expect(try SparePreparation.take(first, in: root, world.staging, shared: []) { _, _ in nil })
        let installation = try world.installation()
        let live = try #require(try installation.ledger.environment("blog", "staging").live)
        let artifact = try #require(try installation.ledger.artifact(live.artifact))
        let preparation = SparePreparation(
            path: world.staging, live: try #require(live.releaseName), shared: [],
            source: DeploymentPlan.Source(artifact, installation.home, repository: world.repository)
        ) { Issue.record("\($0)") }
        // Interrupted at every step, it comes to the same in the end.
        let steps = Mutex(0)
        for limit in 0..<12 {
            steps.withLock { $0 = 0 }
            do {
                try preparation.run {
                    if steps.withLock({
                        $0 += 1; return $0 > limit
                    }) {
                        throw CancellationError()
                    }
                }
            } catch is CancellationError {}
        }
        try preparation.run {}
        #expect(world.inode("\(world.staging)/.shipit/spare/tree") == inode)

        // Without the script nothing may be different from the revision.
        try await world.ship(["index.html": "4\n", "appspec.yml": "", "leave": ""])
        try await world.settled()
        #expect(world.log(4).contains("patched the spare release"))
        #expect(world.inode("\(world.staging)/current/") == inode)
        let verify = await world.shipit("verify")
        #expect(verify.status == 0 && !verify.stdout.contains("not in the artifact"), "\(verify)")
        #expect(world.current(nil, "d3/f24") == "file 24\n" && world.current(nil, "d2/f16") == "file 16\n")
        #expect(world.names(in: "\(world.staging)/current").allSatisfy { !$0.hasPrefix("left") && $0 != "pipe" })
    }

    @Test func `a release that a process works in, or that was live just now, is not used again`() async throws {
        let world = try await World(environments: World.oneEnvironment, files: Self.files)
        try await world.ship(["index.html": "1\n"])
        try await world.ship(["index.html": "2\n"])
        try await world.settled()
        let first = try #require(world.releases().first)
        let folder = "\(world.staging)/releases/\(first)"
        let birth = try await world.birth(of: folder)
        try world.age(first)
        let sleeper = Process()
        sleeper.executableURL = URL(filePath: "/bin/sleep")
        sleeper.arguments = ["120"]
        sleeper.currentDirectoryURL = URL(filePath: "\(folder)/d1")
        // A test that dies must leave nobody waiting for its output to end.
        sleeper.standardOutput = FileHandle.nullDevice
        sleeper.standardError = FileHandle.nullDevice
        try sleeper.run()
        defer { sleeper.terminate() }
        try await world.ship(["index.html": "3\n"])
        try await world.settled()
        #expect(try await world.birth(of: "\(world.staging)/.shipit/spare/tree") != birth)
        #expect(!world.exists(folder))
        // The second release was live a moment ago.
        let second = try #require(world.releases().first)
        let next = try await world.birth(of: "\(world.staging)/releases/\(second)")
        try await world.ship(["index.html": "4\n"])
        try await world.settled()
        #expect(try await world.birth(of: "\(world.staging)/.shipit/spare/tree") != next)
        #expect(world.names(in: "\(world.staging)/.shipit").allSatisfy { !$0.hasPrefix("trash-") && $0 != "preparing" })
    }

    @Test func `a spare that somebody touched is not used`() async throws {
        let world = try await World(files: Self.files)
        try await world.ship(["index.html": "1\n"])
        try await world.settled()
        try world.write("evil\n", to: "\(world.staging)/.shipit/spare/tree/d2/f17")
        try await world.ship(["index.html": "2\n"])
        #expect(world.log(2).contains("the spare release is not used: d2/f17 changed"), "\(world.log(2))")
        #expect(world.current(nil, "d2/f17") == "file 17\n" && world.current() == "2\n")
        try await world.settled()
        try await world.ship(["index.html": "3\n"])
        #expect(world.log(3).contains("patched the spare release: 1 files"))
        try await world.settled()
    }

    @Test func `what preparations that were cut short again and again did not remove goes all the same`() async throws {
        let world = try await World(environments: World.oneEnvironment, files: Self.files)
        try await world.ship(["index.html": "1\n"])
        try await world.settled()
        for number in 0..<3 { try world.write("old\n", to: "\(world.staging)/.shipit/trash-\(number)/file") }
        let installation = try world.installation()
        let app = try installation.app("blog")
        let environment = try #require(app.pipeline.environment("staging"))
        try Retention(installation: installation).prune(app, environment) { Issue.record("\($0)") }
        #expect(world.names(in: "\(world.staging)/.shipit").allSatisfy { !$0.hasPrefix("trash-") })
    }

    @Test func `spare: false keeps none`() async throws {
        let world = try await World(environments: World.oneEnvironment + "\n    spare: false", files: Self.files)
        try await world.ship(["index.html": "1\n"])
        try await world.ship(["index.html": "2\n"])
        try await world.settled()
        #expect(!world.exists("\(world.staging)/.shipit/spare"))
        #expect(!world.log(2).contains("spare"))
        #expect(world.current() == "2\n")
    }

    @Test func `production is patched from the tarball, and a damaged frame is never taken`() async throws {
        let world = try await World(files: Self.files)
        try await world.ship(["index.html": "1\n"])
        #expect(await world.shipit("promote").status == 0)
        try await world.settled()
        let revision = try await world.ship(["index.html": "2\n"]).revision
        try await world.settled()
        let tarball = "\(world.home)/artifacts/blog/\(revision).tar.zst"
        let sound = try Data(contentsOf: URL(filePath: tarball))
        var damaged = sound
        for index in 20..<(sound.count - 20) { damaged[index] ^= 0x55 }
        try damaged.write(to: URL(filePath: tarball))
        #expect(await world.shipit("promote").status != 0)
        #expect(world.current(world.production) == "1\n")
        try await world.settled()
        try sound.write(to: URL(filePath: tarball))
        #expect(await world.shipit("retry").status == 0)
        #expect(world.current(world.production) == "2\n")
        #expect(await world.shipit("verify", "production").status == 0)
        try await world.settled()
    }

    @Test func `a reader of current never sees a mix, over many deployments`() async throws {
        let names = (0..<20).map { "d\($0 / 4)/f\($0)" }
        func files(_ round: Int) -> [String: String] {
            Dictionary(uniqueKeysWithValues: names.map { ($0, "round \(round)\n") })
        }
        let world = try await World(environments: World.oneEnvironment, files: files(0))
        await world.push()
        let state = Mutex<(isDone: Bool, looks: Int, wrong: [String])>((false, 0, []))
        let target = world.staging
        let reader = Thread {
            while !state.withLock({ $0.isDone }) {
                let folder = open("\(target)/current", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                var seen: Set<String> = folder < 0 ? ["no current"] : []
                for name in names where folder >= 0 {
                    let file = openat(folder, name, O_RDONLY | O_CLOEXEC)
                    var buffer = [UInt8](repeating: 0, count: 64)
                    let count = file < 0 ? 0 : read(file, &buffer, 64)
                    seen.insert(file < 0 ? "no \(name)" : String(decoding: buffer[..<max(0, count)], as: UTF8.self))
                    if file >= 0 { close(file) }
                }
                if folder >= 0 { close(folder) }
                state.withLock { state in
                    state.looks += 1
                    if seen.count != 1 || seen.first?.hasPrefix("round ") != true {
                        state.wrong.append("\(seen.sorted())")
                    }
                }
            }
        }
        reader.start()
        for round in 1...12 { try await world.ship(files(round)) }
        let (looks, wrong) = state.withLock { state in
            state.isDone = true
            return (state.looks, state.wrong)
        }
        #expect(looks > 100)
        #expect(wrong.isEmpty, "\(wrong.prefix(3))")
        try await world.settled()
    }
}

@Suite struct TreeManifestTests {
    /// The manifest of a revision from nothing, and from an earlier one.
    private func manifests(_ world: World, _ revision: String, from base: TreeManifest.Base?) throws -> (
        full: Digest, incremental: Digest, summary: TreeManifest.Summary, base: TreeManifest.Base
    ) {
        let revision = try #require(ObjectID(revision))
        let folder = try Directory(path: world.path)
        func write(_ name: String, _ base: TreeManifest.Base?) throws -> TreeManifest.Summary {
            unlink("\(world.path)/\(name)")
            return try TreeManifest(repository: try Repository(at: world.repository), revision: revision)
                .write(to: try folder.createFile(Array(name.utf8)), from: base)
        }
        let full = try write("full", nil)
        let summary = try write("incremental", base)
        rename("\(world.path)/full", "\(world.path)/base")
        let next = TreeManifest.Base(
            revision: revision, manifest: try ManifestFile(at: "\(world.path)/base"),
            hasExportRules: full.hasExportRules)
        return (full.digest, summary.digest, summary, next)
    }

    @Test func `a manifest that grew with its changes is the one that is made from nothing`() async throws {
        let world = try await World(files: ["a/b/c": "1\n", "a/b.txt": "1\n", "z": "1\n", "a-b/x": "1\n"])
        let steps: [[String: String]] = [
            [:], ["a/b/c": "2\n"], ["a/b/c": "", "a/b/d/e": "3\n"], ["a/b/d/e": "", "a/b/d": "a file now\n"],
            ["a/b/d": "", "a/b.txt": "", "a-b/x": ""], ["a": "a file\n"], ["a": "", "a/x/y/z": "back\n"],
            ["run": "#!/bin/sh\n", "0": "first\n", "~": "last\n"], ["run": "not executable any more\n"],
            [".gitattributes": "secret export-ignore\n", "secret": "s\n", "q/secret": "s\n"], ["secret": "t\n"],
            ["q/r": "r\n"], [".gitattributes": ""], ["z": "9\n"],
        ]
        var base: TreeManifest.Base?
        for step in steps {
            // What goes has to go first, and so has a folder that becomes a file.
            for (name, text) in step where text.isEmpty { unlink("\(world.clone)/\(name)") }
            for (name, text) in step where !text.isEmpty {
                let path = "\(world.clone)/\(name)"
                if FileSystem.isFolder(path) { try FileManager.default.removeItem(atPath: path) }
            }
            let revision = try await world.commit(step)
            await world.push("main:refs/heads/other")
            let found = try manifests(world, revision, from: base)
            #expect(found.full == found.incremental, "\(step)")
            base = found.base
        }
    }

    @Test func `a submodule that becomes a folder is one`() async throws {
        let world = try await World(files: ["a": "1\n"])
        let first = try await world.git("rev-parse", "HEAD")
        try await world.git("update-index", "--add", "--cacheinfo", "160000,\(first),sub")
        try await world.git("commit", "-q", "-m", "submodule")
        await world.push("main:refs/heads/other")
        let base = try manifests(world, try await world.git("rev-parse", "HEAD"), from: nil).base
        try await world.git("rm", "-q", "--cached", "sub")
        let revision = try await world.commit(["sub/file": "2\n"])
        await world.push("main:refs/heads/other")
        let found = try manifests(world, revision, from: base)
        #expect(found.full == found.incremental)
    }

    @Test func `only files that changed are read`() async throws {
        let files = Dictionary(uniqueKeysWithValues: (0..<200).map { ("d\($0 / 20)/f\($0)", "\($0)\n") })
        let world = try await World(files: files)
        await world.push("main:refs/heads/other")
        let first = try manifests(world, try await world.git("rev-parse", "HEAD"), from: nil)
        #expect(first.summary.read == 200)
        let revision = try await world.commit(["d3/f61": "changed\n", "d11/new": "new\n", "d5/f100": ""])
        await world.push("main:refs/heads/other")
        let second = try manifests(world, revision, from: first.base)
        #expect(second.full == second.incremental)
        #expect(second.summary.read == 2)
    }

    @Test func `a tarball that took frames from the one before has the bytes of a rebuild`() async throws {
        var files = Dictionary(
            uniqueKeysWithValues: (0..<300).map { ("d\($0 / 20)/f\($0)", String(repeating: "\($0) ", count: 3000)) })
        let world = try await World(files: files)
        try await world.ship()
        files = ["d7/f141": "changed\n", "d2/new": "new\n", "d9/f180": ""]
        let revision = try await world.ship(files).revision
        try await world.settled()
        let tarball = "\(world.home)/artifacts/blog/\(revision).tar.zst"
        let taken = try Digest.ofFile(at: tarball).digest
        #expect(await world.shipit("start", "--rebuild").status == 0)
        #expect(try Digest.ofFile(at: tarball).digest == taken)
        #expect(world.names(in: "\(world.home)/artifacts/blog").count { $0.hasSuffix(".tar.zst") } == 2)
        try await world.settled()
    }
}
