import Foundation
import Glibc
import Testing

@testable import Shipit

extension World {
    /// The names in a kept tarball.
    fileprivate func packed(_ file: String) async -> [String] {
        await run(["/usr/bin/tar", "--zstd", "-tf", "\(home)/artifacts/blog/\(file)"], in: path).stdout
            .split(separator: "\n").map(String.init)
    }

    fileprivate func kept() -> [String] { names(in: "\(home)/artifacts/blog") }
}

/// What a buildspec's artifacts name, packed for real.
@Suite struct BuildArtifactTests {
    private func spec(
        _ artifacts: String, _ commands: String = "mkdir -p out/a out/b && echo 1 >out/a/x && echo 2 >out/b/y"
    )
        -> String
    {
        """
        version: 0.2
        phases: {build: {commands: ['\(commands)']}}
        artifacts: \(artifacts)
        """
    }

    @Test func `a base-directory may have a star, and folders that match are not part of the names`() async throws {
        let world = try await World.building(
            spec("{files: ['**/*'], base-directory: 'ou*/*', exclude-paths: ['*.map']}"))
        await world.push()
        #expect(world.names(in: "\(world.staging)/current") == ["x", "y"])
        try await world.ship(["buildspec.yml": spec("{files: ['**/*'], base-directory: 'nothing*'}")])
        #expect(try await world.status(of: 2) == "failed")
        #expect(
            world.buildLog(2).contains(
                "* the build failed: no folder matches the base-directory nothing* after the build"))
        try await world.ship(["buildspec.yml": spec("{files: ['**/*'], base-directory: none}")])
        #expect(world.buildLog(3).contains("* the build failed: the base-directory none is not there after the build"))
        try await world.settled()
    }

    @Test func `discard-paths leaves the names, and of two files of one name the last by path wins`() async throws {
        let world = try await World.building(spec("{files: ['out/**/*'], discard-paths: yes}"))
        await world.push()
        #expect(world.names(in: "\(world.staging)/current") == ["x", "y"])
        try await world.ship([
            "buildspec.yml": spec(
                "{files: ['out/**/*'], discard-paths: yes}", "mkdir -p out/a out/b; echo 1 >out/a/x; echo 2 >out/b/x")
        ])
        #expect(
            world.buildLog(2).contains(
                "* warning: out/a/x and out/b/x both become x in the artifact, which is the latter"))
        #expect(world.read("\(world.staging)/current/x") == "2\n")
        try await world.settled()
    }

    @Test func `a build that leaves nothing of what is named fails, and says what was named`() async throws {
        let world = try await World.building(spec("{files: ['dist/*.js', '*.zip'], base-directory: out}"))
        await world.push()
        #expect(try await world.status(of: 1) == "failed")
        #expect(
            world.buildLog().contains(
                "* the build failed: no file matches the artifacts' files: dist/*.js, *.zip below out"))
        try await world.ship(["buildspec.yml": spec("{files: [out/]}")])
        #expect(
            world.buildLog(2).contains(
                "* the build failed: no file matches the artifacts' files: out/; out is a folder, out/**/* is what is in it"
            ))
        try await world.settled()
    }

    @Test func `paths may name the build's variables`() async throws {
        let world = try await World.building(
            spec("{files: ['$PART/*', '${PART}.none', '$']}", "mkdir out && touch out/f && export PART=out"))
        await world.push()
        #expect(world.names(in: "\(world.staging)/current/out") == ["f"])
        try await world.settled()
    }

    @Test func `secondary artifacts are kept beside the first, checked, and removed with it`() async throws {
        let world = try await World.building(
            spec(
                "{files: [out/a/x], secondary-artifacts: {docs: {files: ['*'], base-directory: out/b}, all: {files: ['**/*']}}}"
            ), extra: "retention: {artifacts: {count: 1}}")
        await world.push()
        let first = try await world.git("rev-parse", "HEAD")
        #expect(world.names(in: "\(world.staging)/current") == ["out"])
        #expect(await world.packed("\(first).docs.tar.zst") == ["y"])
        #expect(await world.packed("\(first).all.tar.zst").contains("buildspec.yml"))
        #expect(world.buildLog().contains { $0.hasPrefix("* secondary artifact \(first).docs.tar.zst, ") })
        #expect(await world.shipit("fsck").status == 0)
        let description = try #require(world.read("\(world.home)/artifacts/blog/\(first).json"))
        #expect(description.contains(#""identifier":"docs""#))
        unlink("\(world.home)/artifacts/blog/\(first).docs.tar.zst")
        #expect(await world.shipit("fsck").stdout.contains("a secondary artifact is gone"))
        // Nothing needs the first any more after these, and retention takes all of it.
        try world.setPolicy(
            environments: World.twoEnvironments.replacing("    targets", with: "    keep: 0\n    targets"),
            extra: "retention: {artifacts: {count: 1}}")
        for number in 2...4 { try await world.ship(["a": "\(number)"]) }
        try await world.must(world.shipit("gc"))
        #expect(!world.kept().contains { $0.hasPrefix(first) }, "\(world.kept())")
        #expect(await world.shipit("fsck").status == 0)
        try await world.settled()
    }

    @Test
    func `a rebuild says which secondary artifacts differ, and which are gone; one that is damaged is made again`()
        async throws
    {
        let world = try await World.building(
            spec(
                "{files: [a], secondary-artifacts: {one: {files: [b]}}}",
                "echo a >a; date +%s%N >b"))
        await world.push()
        let revision = try await world.git("rev-parse", "HEAD")
        let (name, file) = ("\(revision).one.tar.zst", "\(world.home)/artifacts/blog/\(revision).one.tar.zst")
        let listed = try #require(try await world.json("artifacts") as? [[String: Any]])
        let sizes = try [name, "\(revision).tar.zst"].map {
            try Data(contentsOf: URL(filePath: "\(world.home)/artifacts/blog/\($0)")).count
        }
        #expect(listed.first?["size"] as? Int == sizes.reduce(0, +))
        unlink(file)
        // What no build makes any more, as of a buildspec that was found elsewhere.
        let stray = "\(revision).two.tar.zst"
        try Data().write(to: URL(filePath: "\(world.home)/artifacts/blog/\(stray)"))
        try await world.must(world.shipit("start", revision, "--app", "blog"))
        try await world.settled()
        let log = world.buildLog(2)
        #expect(log.contains("* the artifact \(revision).tar.zst is missing or damaged: made again"), "\(log)")
        #expect(
            log.contains(
                "* this build gave other bytes for the secondary artifact one than an earlier one of the same commit; the new ones are kept"
            ), "\(log)")
        #expect(
            log.contains(
                "* the secondary artifact \(stray) is removed: this build of the same commit does not make it"))
        #expect(world.kept().contains(name) && !world.kept().contains(stray))
        #expect(await world.shipit("fsck").status == 0)
    }

    @Test func `names are judged only of what is packed, and a fault of the tree is a failed build`() async throws {
        // 300 folders deep, which no artifact may be.
        let deep =
            #"mkdir d && cd d && for i in $(seq 300); do mkdir d && cd d; done; touch f; cd "$CODEBUILD_SRC_DIR"; touch a"#
        let world = try await World.building(spec("{files: [a]}", deep))
        await world.push()
        #expect(world.names(in: "\(world.staging)/current") == ["a"], "\(world.buildLog())")
        try await world.ship(["buildspec.yml": spec("{files: ['**/*']}", deep)])
        #expect(try await world.status(of: 2) == "failed")
        #expect(world.buildLog(2).contains { $0.hasSuffix("it is deeper than 256 folders") }, "\(world.buildLog(2))")
        try await world.settled()
    }

    @Test func `secondary artifacts alone make the artifact together`() async throws {
        let world = try await World.building(
            spec(
                "{secondary-artifacts: {a: {files: ['**/*'], base-directory: out/a}, b: {files: ['**/*'], base-directory: out}}}"
            ))
        await world.push()
        #expect(world.names(in: "\(world.staging)/current") == ["a", "b", "x"])
        try await world.settled()
    }

    @Test(arguments: [
        ("$A", "1"), ("${A}b", "1b"), ("$A/$B.", "1/2."), ("$", "$"), ("$$A", "$1"), ("${A", "${A"), ("$NONE", ""),
        ("${", "${"),
        ("a$", "a$"), ("$1", "$1"),
    ])
    func `names in paths are replaced by values`(text: String, expected: String) {
        #expect(text.expandingVariables(["A": "1", "B": "2"]) == expected)
    }
}
