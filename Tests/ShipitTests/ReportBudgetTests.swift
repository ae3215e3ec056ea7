import ArtifactKit
import Foundation
import Glibc
import Synchronization
import Testing

@testable import Shipit

/// What reports may cost a build, and that they fail none.
@Suite final class ReportBudgetTests {
    private let said = Mutex<[String]>([])

    /// Reads these groups of the files of a scratch folder.
    private func read(
        _ files: [String: String], _ reports: String, _ budget: ReportBudget,
        then deed: (String) throws -> Void = { _ in }
    ) throws -> [BuildReport] {
        let folder = FileManager.default.temporaryDirectory.appending(path: "reports-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }  // the machine cleans its temporary folder too
        for (name, text) in files {
            let file = folder.appending(path: name)
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
        }
        try deed(folder.path)
        let collection = ReportCollection(source: try Directory(path: folder.path), budget: budget) { line in
            self.said.withLock { $0.append(line) }
        }
        let reports = try buildspec("reports: \(reports)").reports.compactMap(collection.read)
        #expect(!said.withLock { $0 }.contains { $0.contains(folder.path) }, "\(said.withLock { $0 })")
        return reports
    }

    private static let one = "<testsuite><testcase/></testsuite>"

    @Test func `all reports together are read up to a number of bytes`() throws {
        let budget = ReportBudget(bytes: Self.one.utf8.count * 3)
        let found = try read(
            ["a": Self.one, "b": Self.one, "c": Self.one, "d": Self.one, "e": Self.one],
            "{r: {files: [a, b]}, s: {files: ['*']}, t: {files: [a]}}", budget)
        #expect(found.map(\.files) == [2, 1])
        #expect(
            said.withLock { $0 } == [
                "warning: report s: the reports of the build have more bytes together than are read; 4 files are not read",
                "warning: report t: the reports of the build have more bytes together than are read; 1 files are not read",
            ])
    }

    @Test func `the names of all groups count together, those of folders with a star too`() throws {
        let files = ["o/a": Self.one, "o/b": Self.one]
        let found = try read(
            files, "{r: {files: [a], base-directory: 'o*'}, s: {files: ['**/*']}}", ReportBudget(names: 5))
        #expect(found.map(\.name) == ["r"])
        #expect(
            said.withLock { $0 } == [
                "warning: report s: the build has too many files to look through for reports"
            ])
    }

    @Test func `when the time is over nothing more is read`() throws {
        #expect(try read(["a": Self.one], "{r: {files: [a]}}", ReportBudget(time: .zero)) == [])
        #expect(said.withLock { $0 } == ["warning: report r: the reports of the build took more than 0 ms"])
    }

    @Test func `who cancels the build does not wait for its reports`() throws {
        let cancellation = Cancellation()
        var looked = 0
        let budget = ReportBudget(check: {
            looked += 1
            // After the walk, before the second file.
            if looked == 4 { cancellation.cancel() }
            try cancellation.check()
        })
        #expect(throws: CancellationError.self) {
            try read(["a": Self.one, "b": Self.one], "{r: {files: ['*']}}", budget)
        }
        #expect(said.withLock { $0 } == [])
    }

    @Test func `JSON that would need very much memory is left out`() throws {
        let large = "[" + String(repeating: "[],", count: ReportCollection.longestJSON / 3) + "[]]"
        let found = try read(
            ["a": large, "b": "[]"], "{r: {files: ['*'], file-format: CUCUMBERJSON}}", ReportBudget())
        #expect(found.map(\.files) == [1])
        #expect(
            said.withLock { $0 } == [
                "warning: report r: a is left out: it is longer than \(ReportCollection.longestJSON) bytes"
            ])
    }

    @Test func `warnings say nothing of where the source is`() throws {
        var (looked, folder) = (0, "")
        let budget = ReportBudget(check: {
            looked += 1
            // After the walk, before the file is read.
            if looked == 2 { #expect(unlink("\(folder)/a") == 0) }
        })
        #expect(try read(["a": Self.one], "{r: {files: ['*']}}", budget, then: { folder = $0 }) == [])
        #expect(said.withLock { $0.first?.hasPrefix("warning: report r: a is left out: ") } == true)
    }
}
