import Foundation

/// How a process ended and what it said.
struct Outcome {
    let status: Int32
    let standardOutput: String
    let standardError: String
}

extension Scratch {
    /// Waits for the process alone, except for `git push`, which itself waits until every copy of its pipes is closed.
    func run(
        _ words: [String], input: String = "", in folder: String? = nil, environment: [String: String] = [:]
    ) throws -> Outcome {
        let files = (0..<3).map { _ in URL(filePath: "\(path)/.run-\(UUID().uuidString)") }
        defer { for file in files { unlink(file.path) } }
        try Data(input.utf8).write(to: files[0])
        try Data().write(to: files[1])
        try Data().write(to: files[2])
        let process = Process()
        process.executableURL = URL(filePath: words[0])
        process.arguments = Array(words.dropFirst())
        process.currentDirectoryURL = URL(filePath: folder ?? path)
        process.environment = [
            "PATH": "/usr/bin:/bin", "HOME": path, "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "Ann",
            "GIT_AUTHOR_EMAIL": "ann@example.org", "GIT_COMMITTER_NAME": "Ann",
            "GIT_COMMITTER_EMAIL": "ann@example.org",
        ].merging(environment) { _, new in new }
        process.standardInput = try FileHandle(forReadingFrom: files[0])
        process.standardOutput = try FileHandle(forWritingTo: files[1])
        process.standardError = try FileHandle(forWritingTo: files[2])
        try process.run()
        process.waitUntilExit()
        return Outcome(
            status: process.terminationStatus,
            standardOutput: String(decoding: try Data(contentsOf: files[1]), as: UTF8.self),
            standardError: String(decoding: try Data(contentsOf: files[2]), as: UTF8.self))
    }
}
