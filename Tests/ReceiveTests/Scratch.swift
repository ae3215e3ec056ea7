import Foundation
import Glibc
import Spool
import Testing

/// A scratch folder with a bare repository that has our hook, a clone, and a shipit that only records how it is called.
final class Scratch: Sendable {
    let path: String
    let zero = String(repeating: "0", count: 40)

    var repository: String { path + "/blog it's.git" }
    var clone: String { path + "/clone" }
    var home: String { path + "/home" }
    var spool: String { home + "/spool" }
    var program: String { path + "/shipit" }

    static let receive =
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        .map { URL(filePath: $0).deletingLastPathComponent().appending(path: "shipit-receive").path } ?? ""

    init(chained: String? = nil, objectFormat: String = "sha1") throws {
        let template = FileManager.default.temporaryDirectory.appending(path: "receive-XXXXXX").path
        var name = Array(template.utf8CString)
        path = try #require(mkdtemp(&name).map { String(cString: $0) })
        for folder in [home, spool, path + "/calls"] {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        }
        try write(Self.recorder.replacing("@CALLS@", with: path + "/calls"), to: program, mode: 0o755)
        try git("init", "-q", "--bare", "--object-format=\(objectFormat)", repository)
        try git("-C", repository, "config", "receive.advertisePushOptions", "true")
        try installHook(chained: chained)
        try git("init", "-q", "-b", "main", "--object-format=\(objectFormat)", clone)
        try git("-C", clone, "remote", "add", "origin", repository)
    }

    /// Workers that a test started must not outlive it, whatever the test found.
    deinit {
        for _ in 0..<50 where FileManager.default.fileExists(atPath: path) {
            for call in calls(of: "work") { call.pid.map { _ = kill($0, SIGKILL) } }
            // A worker that only now starts still writes here; the next round finds it.
            try? FileManager.default.removeItem(atPath: path)
        }
    }

    func installHook(chained: String? = nil, receive: String = Scratch.receive) throws {
        let template = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../hooks/post-receive")
        var text = try String(contentsOf: template, encoding: .utf8)
        let words = ["RECEIVE": receive, "PROGRAM": program, "HOME": home, "CHAINED": chained ?? ""]
        for (placeholder, word) in words {
            text = text.replacing("@\(placeholder)@", with: "'\(word.replacing("'", with: #"'\''"#))'")
        }
        try write(text, to: repository + "/hooks/post-receive", mode: 0o755)
    }

    func write(_ text: String, to path: String, mode: Int) throws {
        try Data(text.utf8).write(to: URL(filePath: path))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }

    @discardableResult
    func commit(_ message: String, branch: String = "main") throws -> String {
        try git("-C", clone, "commit", "-q", "--allow-empty", "-m", message)
        return try revision("HEAD")
    }

    func revision(_ name: String) throws -> String {
        try git("-C", clone, "rev-parse", name).standardOutput.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    @discardableResult
    func git(_ arguments: String..., environment: [String: String] = [:]) throws -> Outcome {
        let outcome = try run(["/usr/bin/git"] + arguments, environment: environment)
        try #require(outcome.status == 0, "git \(arguments): \(outcome.standardError)")
        return outcome
    }

    /// Pushes to the repository; git's status is 0 whatever the hook's is.
    @discardableResult
    func push(_ arguments: String..., environment: [String: String] = [:]) throws -> Outcome {
        try run(["/usr/bin/git", "-C", clone, "push", "origin"] + arguments, environment: environment)
    }

    /// Calls the hook as git does.
    func callHook(_ input: String, environment: [String: String] = [:]) throws -> Outcome {
        try run(
            [repository + "/hooks/post-receive"], input: input, in: repository,
            environment: environment.merging(["GIT_DIR": "."]) { given, _ in given })
    }

    func pushes() throws -> [Push] {
        try SpoolFile.list(in: spool).map { try SpoolFile.read($0, in: spool).push }
    }

    func onlyPush() throws -> Push {
        let pushes = try pushes()
        try #require(pushes.count == 1)
        return pushes[0]
    }

    func calls(of command: String) -> [Call] {
        // No folder, no calls.
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path + "/calls")) ?? []
        return names.sorted().filter { $0.hasSuffix(".done") }.compactMap { Call(at: path + "/calls/" + $0) }
            .filter { $0.arguments.first == command }
    }

    /// The first call of this command, which may be on its way.
    func call(of command: String) async throws -> Call {
        for _ in 0..<1000 {
            if let call = calls(of: command).first { return call }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw Missing(what: "call of \(command)")
    }

    private static let recorder = """
        #!/bin/sh
        call='@CALLS@'/$1-$$
        mkdir "$call"
        echo $$ >"$call/pid"
        pwd >"$call/folder"
        printf '%s\\n' "$@" >"$call/arguments"
        tr '\\0' '\\n' </proc/$$/environ >"$call/environment"
        for descriptor in /proc/$$/fd/*; do readlink "$descriptor"; done >"$call/descriptors"
        mv "$call" "$call.done"
        case $1 in
            work) while [ -e "$0" ]; do sleep 0.1; done ;;
            follow) echo "following $3" ;;
        esac
        """
}

struct Missing: Error { let what: String }
