import Foundation
import Glibc
import Testing

@testable import Shipit

/// An app made from a template as a person makes it, in a scratch folder and with a home of its own.
struct TemplateApp: Sendable {
    let folder: String
    let ports = LoopbackPage.freePorts(2)

    var home: String { "\(folder)/home" }
    var policy: String { "\(home)/apps/app/pipeline.yml" }
    var clone: String { "\(folder)/clone" }

    /// The release that is live in an environment.
    func current(_ environment: String) -> String { "\(folder)/live/\(environment)/current" }

    /// Makes the app, hands it to `work`, and ends and removes all that came of it.
    static func made(from template: String, _ work: (TemplateApp) async throws -> Void) async throws {
        try await inScratchFolder { folder in
            let app = TemplateApp(folder: folder)
            try await app.shell("shipit init ~/app.git --template \(template) --targets ~/live")
            try await app.shell("shipit env set staging PORT=\(app.ports[0])")
            try await app.shell("shipit env set production PORT=\(app.ports[1])")
            try await app.shell("git clone --quiet ~/app.git ~/clone && shipit template \(template) ~/clone")
            try await work(app)
        }
    }

    /// A folder that is removed afterwards, and in whose name nothing may run any more.
    static func inScratchFolder(_ work: (String) async throws -> Void) async throws {
        var name = Array("\(NSTemporaryDirectory())template-XXXXXX".utf8CString)
        let folder = DemoFolder(try #require(mkdtemp(&name).map { String(cString: $0) }))
        chmod(folder.path, 0o755)
        var failure: (any Error)?
        do { try await work(folder.path) } catch { failure = error }
        try await folder.endProcesses(servedFrom: "\(folder.path)/home")
        try folder.remove()
        if let failure { throw failure }
    }

    /// Commits everything and pushes; gives the revision, and fails with the log when it did not go live.
    func push() async throws -> String {
        try await shell("cd ~/clone && git add --all && git commit --quiet --message Begin")
        let revision = try await shell("git -C ~/clone rev-parse HEAD").filter { !$0.isWhitespace }
        let said = try await shell("git -C ~/clone push --quiet origin main 2>&1")
        let log = try? await shell("shipit log")
        #expect(said.contains("staging is live at \(revision.prefix(7))"), "\(said)\n\(log ?? "no log")")
        return revision
    }

    func page(_ environment: String, _ path: String) async -> String? {
        let port = ports[environment == "staging" ? 0 : 1]
        return await onThread { LoopbackPage.fetch(port: port, path: path) }
    }

    /// Runs a line as a person would type it; gives what it printed.
    @discardableResult
    func shell(_ line: String) async throws -> String { try await Self.shell(line, in: folder) }

    @discardableResult
    static func shell(_ line: String, in folder: String) async throws -> String {
        var environment = Command.plainEnvironment
        environment["PATH"] = "\(Self.products):\(Command.path)"
        environment["HOME"] = folder
        environment["TMPDIR"] = folder
        environment["SHIPIT_HOME"] = "\(folder)/home"
        environment["GIT_CONFIG_NOSYSTEM"] = "1"
        for role in ["AUTHOR", "COMMITTER"] {
            environment["GIT_\(role)_NAME"] = "Ann"
            environment["GIT_\(role)_EMAIL"] = "ann@example.org"
        }
        let command = Command("/bin/sh", ["-c", line], environment: environment, in: folder)
        let (exit, text) = try await Program.output(of: command, within: .seconds(600))
        try #require(exit.isSuccess, "\(line): \(exit)\n\(text)")
        return text
    }

    /// Where the tests and the programs were built to.
    static let products: String = {
        // Where there is no /proc there is no shipit either.
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return URL(filePath: own).deletingLastPathComponent().path
    }()

    /// The folder that policies name under `see:` for the Swift toolchain on this PATH; nil when it lies below /usr.
    static func toolchain() async throws -> String? {
        struct Information: Decodable {
            struct Paths: Decodable { var runtimeResourcePath: String }
            var paths: Paths
        }
        let path = ProcessInfo.processInfo.environment["PATH"] ?? Command.path
        let programs = path.split(separator: ":").map { folder in "\(folder)/swift" }
        let swift = try #require(programs.first { access($0, X_OK) == 0 }, "no swift on the PATH")
        var environment = Command.plainEnvironment
        environment["PATH"] = path
        let (_, text) = try await Program.output(of: Command(swift, ["-print-target-info"], environment: environment))
        let resources = try JSONDecoder().decode(Information.self, from: Data(text.utf8)).paths.runtimeResourcePath
        let root = resources.replacing("/usr/lib/swift", with: "")
        return root.isEmpty || root.hasPrefix("/usr") ? nil : root
    }
}
