import Foundation
import Testing

/// The table of the agent's behaviour, `Fixtures/aws-points.md`, against the tests that there are.
@Suite struct ParityTableTests {
    private static let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()

    private struct Row {
        let points: ClosedRange<Int>
        let proof: String

        /// The tests' names, which stand between backticks.
        var names: [String] {
            proof.split(separator: "`", omittingEmptySubsequences: false).enumerated().compactMap {
                $0.offset % 2 == 1 ? String($0.element) : nil
            }
        }
        var isApplicable: Bool { !proof.hasPrefix("not applicable: ") }
    }

    private static func rows() throws -> [Row] {
        let text = try String(contentsOf: tests.appending(path: "Fixtures/aws-points.md"), encoding: .utf8)
        return text.split(separator: "\n").compactMap { line in
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            let ends = (cells.first ?? "").split(separator: "-").compactMap { Int($0) }
            guard cells.count == 3, let first = ends.first, let last = ends.last else { return nil }
            return Row(points: first...last, proof: cells[2])
        }
    }

    @Test func `all 187 points are there once, and each has a test that exists or a reason`() throws {
        let rows = try Self.rows()
        #expect(rows.flatMap { Array($0.points) } == Array(1...187))
        let files =
            FileManager.default.enumerator(at: Self.tests, includingPropertiesForKeys: nil)?
            .compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" && !$0.path.hasSuffix(#fileID) } ?? []
        let source = try files.map { try String(contentsOf: $0, encoding: .utf8) }.joined()
        let known = Set(
            source.split(separator: "func `").dropFirst().compactMap { $0.split(separator: "`").first.map(String.init) }
        )
        for row in rows {
            if row.isApplicable {
                #expect(!row.names.isEmpty, "\(row.points)")
                for name in row.names { #expect(known.contains(name), "\(row.points): there is no test `\(name)`") }
            } else {
                #expect(row.proof.count > 30, "\(row.points) has no reason")
            }
        }
        let tested = rows.filter(\.isApplicable).map(\.points.count).reduce(0, +)
        print("the agent's behaviour: \(tested) of 187 points are tested, \(187 - tested) are not applicable")
    }
}
