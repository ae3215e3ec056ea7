import Foundation
import GitKit
import Testing

/// A repository in a folder of its own, made by real git in a clean environment, gone with the value.
final class ScratchRepository {
    let folder: String
    let path: String

    init(bare: Bool = true, arguments: [String] = []) throws {
        folder = NSTemporaryDirectory() + "gitkit-" + UUID().uuidString
        path = folder + "/repository"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Self.run(["git", "init", "-q", "-b", "main"] + (bare ? ["--bare"] : []) + arguments + [path], in: folder)
    }

    deinit {
        // A leftover folder below /tmp harms no other test.
        try? FileManager.default.removeItem(atPath: folder)
    }

    func open() throws -> Repository { try Repository(at: path) }

    @discardableResult
    func git(_ arguments: String..., input: [UInt8] = [], date: Int = 1_700_000_000) throws -> String {
        let output = try Self.run(["git", "-C", path] + arguments, in: folder, input: input, date: date)
        return String(decoding: output, as: UTF8.self).trimmingCharacters(in: .newlines)
    }

    func bytes(_ arguments: String...) throws -> [UInt8] { try Self.run(["git", "-C", path] + arguments, in: folder) }

    func blob(_ content: String) throws -> ObjectID { try blob(Array(content.utf8)) }

    func blob(_ content: [UInt8]) throws -> ObjectID {
        try #require(ObjectID(try git("hash-object", "-w", "--stdin", input: content)))
    }

    /// Writes a tree as it is given, sorted or not, honest or not.
    func tree(_ entries: [(mode: String, name: [UInt8], id: ObjectID)]) throws -> ObjectID {
        var raw: [UInt8] = []
        for entry in entries {
            raw += Array(entry.mode.utf8) + [0x20] + entry.name + [0]
            let digits = Array(entry.id.hex)
            raw += stride(from: 0, to: 40, by: 2).map { UInt8(String(digits[$0...($0 + 1)]), radix: 16) ?? 0 }
        }
        return try #require(
            ObjectID(try git("hash-object", "-t", "tree", "--literally", "-w", "--stdin", input: raw)))
    }

    func tree(_ mode: String, _ name: String, _ id: ObjectID) throws -> ObjectID {
        try tree([(mode, Array(name.utf8), id)])
    }

    func commit(
        tree: ObjectID, parents: [ObjectID] = [], message: String = "change", date: Int = 1_700_000_000
    ) throws -> ObjectID {
        let commands = parents.flatMap { ["-p", $0.hex] }
        let output = try Self.run(
            ["git", "-C", path, "commit-tree", tree.hex] + commands, in: folder, input: Array(message.utf8), date: date)
        return try #require(ObjectID(String(decoding: output, as: UTF8.self).trimmingCharacters(in: .newlines)))
    }

    /// A commit with these files, through an index that belongs to no work tree.
    func commit(
        _ files: [String: String], parents: [ObjectID] = [], message: String = "change", date: Int = 1_700_000_000
    ) throws -> ObjectID {
        var lines: [UInt8] = []
        for (path, content) in files {
            lines += Array("100644 \(try blob(content))\t".utf8) + Array(path.utf8) + [0]
        }
        let index = ["GIT_INDEX_FILE": folder + "/index-" + UUID().uuidString]
        try Self.run(
            ["git", "-C", path, "update-index", "-z", "--index-info"], in: folder, input: lines, environment: index)
        let tree = try Self.run(["git", "-C", path, "write-tree"], in: folder, environment: index)
        let id = try #require(ObjectID(String(decoding: tree, as: UTF8.self).trimmingCharacters(in: .newlines)))
        return try commit(tree: id, parents: parents, message: message, date: date)
    }

    @discardableResult
    static func run(
        _ command: [String], in folder: String, input: [UInt8] = [], date: Int = 1_700_000_000,
        environment: [String: String] = [:]
    ) throws -> [UInt8] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.environment = [
            "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": folder, "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org", "GIT_COMMITTER_NAME": "Ada",
            "GIT_COMMITTER_EMAIL": "ada@example.org", "GIT_AUTHOR_DATE": "@\(date) +0100",
            "GIT_COMMITTER_DATE": "@\(date) +0100", "LC_ALL": "C",
        ].merging(environment) { $1 }
        let inputPath = folder + "/input-" + UUID().uuidString
        let outputPath = folder + "/output-" + UUID().uuidString
        try Data(input).write(to: URL(fileURLWithPath: inputPath))
        try Data().write(to: URL(fileURLWithPath: outputPath))
        process.standardInput = FileHandle(forReadingAtPath: inputPath)
        process.standardOutput = FileHandle(forWritingAtPath: outputPath)
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        let complaint = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw CommandFailed(command: command, complaint: String(decoding: complaint, as: UTF8.self))
        }
        return Array(try Data(contentsOf: URL(fileURLWithPath: outputPath)))
    }

    struct CommandFailed: Error {
        let command: [String]
        let complaint: String
    }
}

/// The error that the body throws, as ours.
func gitError(_ body: () throws -> Void) throws -> GitError {
    try #require(throws: GitError.self) { try body() }
}
