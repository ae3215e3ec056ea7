import Foundation
import Glibc
import Testing

@testable import Shipit

@Suite(.serialized) struct DoctorTests {
    private func examine(_ blog: ShippedBlog) async throws -> [Doctor.Item] {
        try await Doctor(home: blog.home, installation: try blog.installation(), program: ShippedBlog.program).examine()
    }

    private func problems(_ blog: ShippedBlog) async throws -> Set<String> {
        Set(try await examine(blog).filter { $0.state == .problem }.map(\.name))
    }

    @Test func `a machine that is set up right has no problem`() async throws {
        let blog = try ShippedBlog()
        let found = try await examine(blog).filter { $0.state == .problem }
        #expect(found.isEmpty, "\(found)")
        #expect(try blog.shipit("doctor").contains("git: git "))
    }

    @Test func `every problem says how to mend it`() async throws {
        let blog = try ShippedBlog()
        try blog.remove("\(blog.repository)/hooks/post-receive")
        try blog.git("--git-dir", blog.repository, "config", "receive.fsckObjects", "false")
        try blog.write("A=b\n", to: blog.home.environmentFile("blog", "staging"), mode: 0o644)
        symlink(blog.staging, "\(blog.path)/srv/production")
        let items = try await examine(blog)
        let found = Set(items.filter { $0.state == .problem }.map(\.name))
        #expect(found == ["hook of blog", "settings of blog", "secrets of blog", "target blog production"])
        #expect(items.filter { $0.state != .ok }.allSatisfy { $0.mend != nil })
        try blog.shipit("doctor", status: 1)
    }

    @Test(.enabled(if: !FileManager.default.fileExists(atPath: "/run/systemd/system")))
    func `a marker of systemd without systemd means that nobody starts the worker`() async throws {
        let blog = try ShippedBlog()
        try blog.write("", to: blog.home.systemdMarker)
        #expect(try await problems(blog) == ["systemd"])
    }

    @Test func `a clock before the newest event is a warning`() async throws {
        let blog = try ShippedBlog()
        try blog.sql("UPDATE event SET at = at + 86400000")
        let clock = try await examine(blog).first { $0.name == "clock" }
        #expect(clock?.state == .warning)
    }

    @Test func `a worker that has been silent for long is stuck`() async throws {
        let blog = try ShippedBlog()
        let lock = try #require(try WorkerLock.take(blog.home))
        defer { withExtendedLifetime(lock) {} }
        #expect(try await problems(blog) == [])
        let boot = Boot.id
        // One that ended in order has taken its row away.
        try blog.sql(
            "INSERT INTO worker (pid, start_ticks, boot, beat, started_at) "
                + "VALUES (\(getpid()), 0, '\(boot)', \(Boot.milliseconds - 600_000), 0)")
        #expect(try await problems(blog) == ["worker"])
    }

    @Test func `a machine without an app can be looked at`() throws {
        let blog = try ShippedBlog(pushes: 0)
        let elsewhere = ["SHIPIT_HOME": "\(blog.path)/nowhere"]
        let result = try blog.run(ShippedBlog.program, ["doctor", "--json"], environment: elsewhere)
        #expect(result.status == 0, "\(result.text)")
        #expect(result.text.contains("there is no shipit in"))
    }

    @Test(arguments: [("git version 2.39.5", [2, 39, 5]), ("git version 2.50.1 (Apple Git-155)", [2, 50, 1])])
    func `a version is read out of a sentence`(text: String, numbers: [Int]) {
        #expect(Version(in: text) == Version(numbers))
    }

    @Test func `versions are compared number by number`() {
        #expect(Version([2, 9]) < Version([2, 36]))
        #expect(!(Version([2, 36, 1]) < Version([2, 36])))
        #expect(FileSystemKind.unsafe[0x6969] == "NFS")
        #expect(FileSystemKind.unsafe("/proc") == nil)
    }

    // MARK: gc and verify

    @Test func `gc removes what is beyond keep and says how much came free`() async throws {
        let blog = try ShippedBlog(pushes: 3)
        let policy = try String(contentsOfFile: blog.home.policy("blog"), encoding: .utf8)
        try blog.write(
            policy.replacing("/srv/staging\"]", with: "/srv/staging\"]\n    keep: 0"), to: blog.home.policy("blog"),
            mode: 0o600)
        let releases = "\(blog.staging)/releases"
        #expect(try FileManager.default.contentsOfDirectory(atPath: releases).count == 3)
        #expect(try blog.shipit("gc", "--dry-run").contains("would remove \(releases)/1-"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: releases).count == 3)
        #expect(try blog.shipit("gc").contains("removed \(releases)/1-"))
        #expect(
            Set(try FileManager.default.contentsOfDirectory(atPath: releases).map { $0.prefix(2) }) == ["2-", "3-"])
        #expect(try blog.shipit("gc").contains("0 removed"))
        #expect(try await blog.fsck().check().findings == [])
    }

    @Test func `an artifact that retention let go is missed by nobody`() async throws {
        let blog = try ShippedBlog(pushes: 13) {
            $0.replacing("/srv/staging\"]", with: "/srv/staging\"]\n    keep: 0")
        }
        let ledger = try blog.installation().ledger
        #expect(try ledger.artifacts(app: "blog").count == 12)
        let first = try #require(try ledger.artifact(1))
        #expect(first.removedAt != nil)
        #expect(!FileManager.default.fileExists(atPath: blog.home.artifact("blog", first.file)))
        #expect(try await blog.fsck().check().findings == [])
        #expect(try blog.shipit("gc").contains("0 removed"))
    }

    @Test func `verify names what was edited, what is missing and what is new`() throws {
        let blog = try ShippedBlog()
        try blog.shipit("verify")
        try blog.write("hallo\n", to: "\(blog.staging)/current/site/index.html")
        try blog.remove("\(blog.staging)/current/site/message.txt")
        try blog.write("x", to: "\(blog.staging)/current/new.txt")
        let said = try blog.shipit("verify", "staging", status: 1)
        #expect(said.contains("edited: site/index.html") && said.contains("missing: site/message.txt"))
        #expect(said.contains("extra: new.txt"))
        #expect(try blog.shipit("verify", "production").contains("nothing is live"))
    }
}
