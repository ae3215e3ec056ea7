import Foundation
import GRDB
import Glibc
import Testing

@testable import Shipit

/// An app that was really pushed and is live in staging: a scratch folder with repository, clone, home and targets.
final class ShippedBlog: Sendable {
    let path: String

    var home: Home { Home("\(path)/home") }
    var repository: String { "\(path)/blog.git" }
    var clone: String { "\(path)/clone" }
    var staging: String { "\(path)/srv/staging" }

    /// The programs that were built beside these tests.
    static let program: String = {
        let own = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        return (((own ?? "") as NSString).deletingLastPathComponent as NSString).appendingPathComponent("shipit")
    }()

    init(pushes: Int = 1, validate: String = "true", policy: (String) -> String = { $0 }) throws {
        var name = Array("\(NSTemporaryDirectory())operations-XXXXXX".utf8CString)
        let folder = try #require(mkdtemp(&name).map { String(cString: $0) })
        path = try #require(realpath(folder, nil).map { String(cString: $0) })
        // Builds run as another account and must reach their workspace.
        chmod(path, 0o755)
        try shipit("init", repository, "--app", "blog", "--targets", "\(path)/srv")
        let text = try String(contentsOfFile: home.policy("blog"), encoding: .utf8)
        try write(policy(text), to: home.policy("blog"), mode: 0o600)
        try git("init", "-q", "-b", "main", clone)
        try git("-C", clone, "remote", "add", "origin", repository)
        try write("hello\n", to: "\(clone)/site/index.html")
        try write("data\n", to: "\(clone)/uploads/first.txt")
        try write("#!/bin/sh\n\(validate)\n", to: "\(clone)/scripts/check", mode: 0o755)
        try write(Self.appspec, to: "\(clone)/appspec.yml")
        for number in 0..<pushes { try push("change \(number)") }
    }

    deinit {
        // A worker that still tidies up would write what was removed.
        try? waitForPeace()
        for (pid, _) in ProcessSweep.marks(beginning: "build-\(home.path)") { kill(pid, SIGKILL) }
        try? FileManager.default.removeItem(atPath: path)
    }

    private static let appspec = """
        version: 0.0
        os: linux
        files:
          - source: /
            destination: /
        hooks:
          ValidateService:
            - location: scripts/check
              timeout: 60

        """

    func installation() throws -> Installation { try Installation.open(home, person: "ann") }

    func fsck() throws -> Fsck { Fsck(try installation(), program: Self.program) }

    /// Commits and pushes; the revision is live when this returns, and nobody works any more.
    @discardableResult
    func push(_ message: String) throws -> String {
        try write("\(message)\n", to: "\(clone)/site/message.txt")
        try git("-C", clone, "add", "-A")
        try git("-C", clone, "commit", "-q", "-m", message)
        try git("-C", clone, "push", "-q", "origin", "main")
        try waitForPeace()
        return try git("-C", clone, "rev-parse", "HEAD").text.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Until no worker lives: the one that a push started tidies up after the pusher has left.
    func waitForPeace() throws {
        for _ in 0..<3000 {
            if !WorkerLock.isHeld(home) { return }
            usleep(10_000)
        }
        throw ShipitError(.busy, "a worker is still at it")
    }

    func live() throws -> String { try #require(LiveReleaseName.of(staging)) }

    /// Changes the ledger as no shipit does.
    func sql(_ statements: String) throws {
        try installation().ledger.database.writeWithoutTransaction {
            try $0.execute(sql: "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; \(statements)")
        }
    }

    func write(_ text: String, to path: String, mode: mode_t = 0o644) throws {
        let folder = (path as NSString).deletingLastPathComponent
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(filePath: path))
        chmod(path, mode)
    }

    func remove(_ path: String) throws { try FileManager.default.removeItem(atPath: path) }

    // MARK: Programs

    @discardableResult
    func git(_ arguments: String...) throws -> (status: Int32, text: String) {
        let result = try run("/usr/bin/git", arguments)
        try #require(result.status == 0, "git \(arguments): \(result.text)")
        return result
    }

    @discardableResult
    func shipit(_ arguments: String..., status: Int32 = 0, environment: [String: String] = [:]) throws -> String {
        let result = try run(Self.program, arguments, environment: environment)
        try #require(result.status == status, "shipit \(arguments): \(result.text)")
        return result.text
    }

    /// Standard output and error in one.
    func run(
        _ program: String, _ arguments: [String], environment: [String: String] = [:]
    ) throws -> (status: Int32, text: String) {
        let process = Process(), pipe = Foundation.Pipe()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.currentDirectoryURL = URL(filePath: path)
        process.environment = [
            "PATH": Command.path, "HOME": path, "SHIPIT_HOME": home.path, "GIT_CONFIG_NOSYSTEM": "1", "LANG": "C.UTF-8",
            "GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@example.org", "GIT_COMMITTER_NAME": "Ann",
            "GIT_COMMITTER_EMAIL": "ann@example.org", "SWIFT_BACKTRACE": "enable=no",
        ].merging(environment) { $1 }
        process.standardOutput = pipe
        process.standardError = pipe
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text)
    }
}

enum LiveReleaseName {
    static func of(_ target: String) -> String? {
        // Nothing is live there: the caller says so.
        let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(target)/current")
        return link.map { ($0 as NSString).lastPathComponent }
    }
}
