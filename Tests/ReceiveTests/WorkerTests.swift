import Foundation
import Glibc
import Spool
import Testing

@Suite struct WorkerTests {
    private let scratch: Scratch

    init() throws {
        scratch = try Scratch()
        try scratch.commit("first")
    }

    private var userHome: String { getpwuid(geteuid()).map { String(cString: $0.pointee.pw_dir) } ?? "/" }

    private var environment: [String] {
        [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=\(userHome)",
            "LANG=C.UTF-8", "SHIPIT_HOME=\(scratch.home)", "SWIFT_BACKTRACE=enable=no",
        ]
    }

    @Test func `detached, the push returns while the worker works and holds nothing of the push`() async throws {
        let outcome = try scratch.push("-o", "detach", "main")
        #expect(outcome.status == 0)
        #expect(outcome.standardError.contains("remote: shipit: queued"))
        let call = try await scratch.call(of: "work")
        let pid = try #require(call.pid)
        #expect(kill(pid, 0) == 0)
        #expect(call.arguments == ["work", "--detached"])
        #expect(call.descriptors == ["/dev/null", "/dev/null", "/dev/null"])
        #expect(getsid(pid) == pid)
        #expect(call.folder == "/")
        #expect(scratch.calls(of: "follow").isEmpty)
    }

    @Test func `otherwise the pusher follows the push by its id`() async throws {
        let outcome = try scratch.push("main")
        let id = try #require(try SpoolFile.list(in: scratch.spool).first)
        #expect(outcome.standardError.contains("remote: following \(id)"))
        let call = try await scratch.call(of: "follow")
        #expect(call.arguments == ["follow", "--push", id])
        #expect(call.descriptors.first == "/dev/null" && call.descriptors.count == 3)
    }

    @Test func `the environment that is handed on is exactly the list`() async throws {
        let hostile = ["LD_LIBRARY_PATH": "/x", "SSH_AUTH_SOCK": "/x", "SECRET": "x", "SHIPIT_HOME": "/x", "LANG": "x"]
        try scratch.push("main", environment: hostile)
        #expect(try await scratch.call(of: "work").environment == environment)
        #expect(try await scratch.call(of: "follow").environment == environment + ["NO_COLOR=1"])
    }

    @Test func `a failpoint is handed on`() async throws {
        try scratch.push("main", environment: ["SHIPIT_FAILPOINT": "elsewhere:kill"])
        #expect(try await scratch.call(of: "work").environment == environment + ["SHIPIT_FAILPOINT=elsewhere:kill"])
    }

    @Test func `where a worker holds the lock none is started`() async throws {
        let lock = open(scratch.home + "/worker.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        defer { close(lock) }
        #expect(lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0)
        try scratch.push("main")
        _ = try await scratch.call(of: "follow")
        #expect(scratch.calls(of: "work").isEmpty)
    }

    @Test func `the lock is free again for the worker that is started`() async throws {
        try scratch.push("main")
        _ = try await scratch.call(of: "work")
        let lock = open(scratch.home + "/worker.lock", O_RDWR | O_CLOEXEC)
        defer { close(lock) }
        #expect(flock(lock, LOCK_EX | LOCK_NB) == 0)
    }

    @Test func `where systemd watches the spool nothing is started`() async throws {
        try scratch.write("", to: scratch.home + "/systemd", mode: 0o600)
        try scratch.push("main")
        _ = try await scratch.call(of: "follow")
        #expect(scratch.calls(of: "work").isEmpty)
        #expect(!FileManager.default.fileExists(atPath: scratch.home + "/worker.lock"))
    }

    @Test(.enabled(if: geteuid() == 0))
    func `a home of somebody else is left to its owner`() throws {
        #expect(chown(scratch.home, 1, 1) == 0)
        let outcome = try scratch.push("main")
        #expect(outcome.standardError.contains("shipit: queued; the worker of user daemon takes it from here"))
        #expect(scratch.calls(of: "follow").isEmpty && scratch.calls(of: "work").isEmpty)
        #expect(try scratch.pushes().count == 1)
    }

    @Test func `a program that cannot be run is said, and the push is queued`() throws {
        #expect(unlink(scratch.program) == 0)
        let outcome = try scratch.push("main")
        #expect(outcome.standardError.contains("queued, but not followed: could not run \(scratch.program)"))
        #expect(try scratch.pushes().count == 1)
    }
}
