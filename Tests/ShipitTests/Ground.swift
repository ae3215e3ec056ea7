import ArtifactKit
import Foundation
import CLinux
import Glibc
import Testing

@testable import Shipit

/// A revision, a root that it is installed to, and the folder of the agent's state, all real.
final class Ground {
    let path: String

    var bundle: String { "\(path)/bundle" }
    var root: String { "\(path)/root" }
    var state: String { "\(path)/state" }

    init(_ files: [String: String] = [:], root: [String: String] = [:]) throws {
        var name = Array("\(NSTemporaryDirectory())install-XXXXXX".utf8CString)
        path = try #require(mkdtemp(&name).flatMap { realpath($0, nil) }.map { String(cString: $0) })
        for folder in [bundle, self.root, state] { mkdir(folder, 0o755) }
        for (name, text) in files { try write(text, "\(bundle)/\(name)") }
        for (name, text) in root { try write(text, "\(self.root)/\(name)") }
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }  // a leftover hurts nobody

    func write(_ text: String, _ path: String, mode: mode_t = 0o644) throws {
        let url = URL(filePath: path)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
        chmod(path, mode)
    }

    func plan(_ yaml: String, _ behavior: Appspec.FileExistsBehavior = .disallow) throws -> InstallPlan {
        let spec = try Appspec.parse(Array("version: 0.0\nos: linux\n\(yaml)".utf8), file: "appspec.yml").0
        let cleanup = FileManager.default.contents(atPath: "\(state)/g-cleanup").map(Array.init) ?? []
        return try InstallPlanner.plan(
            spec, "appspec.yml", from: InstallRoot(bundle), to: InstallRoot(root), behavior: behavior,
            after: CleanupList(parsing: cleanup, below: root))
    }

    func install(_ yaml: String, _ behavior: Appspec.FileExistsBehavior = .disallow) async throws {
        _ = try await transaction(plan(yaml, behavior)).run()
    }

    func transaction(_ plan: InstallPlan) throws -> InstallTransaction {
        InstallTransaction(
            plan, from: try InstallRoot(bundle), to: try InstallRoot(root), state: try Directory(path: state),
            group: "g", id: "d-1", lastSuccessful: "/d-1")
    }

    func recover() throws {
        try InstallTransaction.recover(in: try Directory(path: state), of: "g", at: try InstallRoot(root))
    }

    /// What is wrong with a plan, without the file's name in front.
    func problems(_ yaml: String, _ behavior: Appspec.FileExistsBehavior = .disallow) -> [String] {
        do {
            _ = try plan(yaml, behavior)
            return []
        } catch let error as Diagnostics {
            return error.all.map(\.message)
        } catch {
            return ["\(error)"]
        }
    }

    /// Everything below the root: path, kind, mode and content.
    func tree() -> [String] {
        let names = FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? []
        return names.map { name in
            var status = stat()
            lstat("\(root)/\(name)", &status)
            let mode = String(status.st_mode & 0o7777, radix: 8)
            switch status.st_mode & S_IFMT {
            case S_IFDIR: return "\(name)/ \(mode)"
            case S_IFLNK:
                let target = (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(root)/\(name)")) ?? ""
                return "\(name) -> \(target)"
            default:
                let text = FileManager.default.contents(atPath: "\(root)/\(name)") ?? Data()
                return "\(name) \(mode) \(String(decoding: text, as: UTF8.self))"
            }
        }.sorted()
    }

    func cleanup() -> [String] {
        let bytes = FileManager.default.contents(atPath: "\(state)/g-cleanup") ?? Data()
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map {
            String($0.dropFirst(root.count + 1))
        }
    }

    func names(_ folder: String) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: folder))?.sorted() ?? []
    }
}
