import Foundation
import Testing

@testable import Shipit

/// Batches of builds, for real.
@Suite struct BatchTests {
    @Test func `a graph is built in its order, each build afresh, and its artifacts are one`() async throws {
        let world = try await World.building(
            """
            version: 0.2
            env: {variables: {WHO: file, KEEP: kept}}
            batch:
              build-graph:
                - {identifier: second, depend-on: [first], env: {variables: {WHO: two}}}
                - {identifier: first, env: {variables: {WHO: one}}}
                - {identifier: docs, buildspec: docs.yml, depend-on: [second]}
            phases:
              build:
                commands:
                  - '[ ! -e left ]'
                  - touch left && mkdir out && echo same >out/same && echo "$WHO $KEEP $CODEBUILD_BATCH_BUILD_IDENTIFIER" >out/$WHO
            reports: {unit: {files: [r.xml]}}
            artifacts: {files: ['**/*'], base-directory: out}
            """,
            files: [
                "docs.yml": """
                version: 0.2
                phases: {build: {commands: [echo text >page]}}
                artifacts: {files: [page], secondary-artifacts: {raw: {files: [docs.yml]}}}
                """, "r.xml": "<testsuite><testcase/></testsuite>",
            ])
        await world.push()
        let log = world.buildLog()
        #expect(
            log.filter { $0.hasPrefix("* build ") } == [
                "* build first (1 of 3)", "* build second (2 of 3)", "* build docs (3 of 3)",
            ], "\(log)")
        #expect(world.built("one") == "one kept first\n" && world.built("two") == "two kept second\n")
        #expect(world.built("page") == "text\n" && world.built("same") == "same\n" && world.built("docs.yml") != nil)
        let revision = try await world.git("rev-parse", "HEAD")
        let kept = world.names(in: "\(world.home)/artifacts/blog")
        for name in ["first", "second", "docs", "docs-raw"] { #expect(kept.contains("\(revision).\(name).tar.zst")) }
        let shown = try #require(try await world.json("show", "1") as? [String: Any])
        let reports = try #require(shown["reports"] as? [[String: Any]])
        #expect(reports.map { $0["name"] as? String } == ["first/unit", "second/unit"])
        #expect(await world.shipit("fsck").status == 0)
        #expect(!kept.contains { $0.contains(".aside-") } && world.names(in: "\(world.home)/work").isEmpty)
        try await world.settled()
    }

    @Test func `what depends on a failed build is left out, the rest is built, and no artifact is made`() async throws {
        func spec(_ more: String) -> String {
            """
            version: 0.2
            batch:
            \(more)
              build-graph:
                - {identifier: bad, env: {variables: {STATUS: 3}}}
                - {identifier: after, depend-on: [bad]}
                - {identifier: alone}
            env: {variables: {STATUS: 0}}
            phases: {build: {commands: ['exit $STATUS']}}
            """
        }
        let world = try await World.building(spec("  fast-fail: no"))
        let push = await world.push()
        var log = world.buildLog()
        #expect(push.stderr.contains("bad: build: \"exit $STATUS\" ended with exit status 3"), "\(push.stderr)")
        #expect(log.contains("* build after is left out: it depends on bad") && log.contains("* build alone (3 of 3)"))
        #expect(try await world.status(of: 1) == "failed")
        try await world.ship(["buildspec.yml": spec("  fast-fail: yes")])
        log = world.buildLog(2)
        #expect(!log.contains { $0.hasPrefix("* build alone") || $0.hasPrefix("* build after") }, "\(log)")
        #expect(try await world.json("artifacts") as? [String] == [])
        try await world.settled()
    }

    @Test func `a failure that is ignored fails nobody, and files that differ do`() async throws {
        func spec(_ ignore: String, _ command: String) -> String {
            """
            version: 0.2
            batch:
              build-matrix:
                static: {ignore-failure: \(ignore)}
                dynamic: {env: {variables: {X: [1, 2]}}}
            phases: {build: {commands: ['\(command)']}}
            artifacts: {files: [f]}
            """
        }
        let world = try await World.building(spec("yes", "[ $X = 1 ] && echo $X >f"))
        await world.push()
        #expect(world.built("f") == "1\n")
        #expect(world.buildLog().contains { $0.hasPrefix("* build matrix_2 failed: ") && $0.hasSuffix(" (ignored)") })
        try await world.ship(["buildspec.yml": spec("no", "echo $X >f")])
        #expect(
            world.buildLog(2).contains(
                "* the build failed: the builds matrix_1 and matrix_2 leave different f, so there is no one artifact of both"
            ))
        #expect(try await world.status(of: 2) == "failed")
        try await world.settled()
    }

    @Test func `every buildspec of a batch is read before the first build`() async throws {
        let world = try await World.building(
            """
            version: 0.2
            batch:
              build-list:
                - {identifier: fine, buildspec: fine.yml}
                - {identifier: gone, buildspec: gone.yml}
                - {identifier: wrong, buildspec: wrong.yml}
                - {identifier: own}
            """,
            files: ["fine.yml": "version: 0.2\nphases: {build: {commands: [echo ran]}}\n", "wrong.yml": "version: 7\n"])
        await world.push()
        let log = world.log(1, "build")
        #expect(log.contains("gone.yml: gone wants it, and it is not there"), "\(log)")
        #expect(log.contains("wrong.yml:1:10: version 7 is not known"))
        // A line of the log each, and none with a mark for a line feed in it.
        #expect(world.buildLog().contains { $0.hasPrefix("* wrong.yml:1:10: ") } && !log.contains("^J"), "\(log)")
        #expect(log.contains("buildspec.yml: own has nothing to do: there are no phases"))
        #expect(!log.contains("| ran"))
        try await world.settled()
    }
}
