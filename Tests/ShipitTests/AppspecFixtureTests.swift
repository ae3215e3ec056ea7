import Foundation
import Testing

@testable import Shipit

/// Appspec files as people write them, in `Fixtures/appspec`. Each says in its first lines what is to be said of it, or
/// that it is fine; that the agent would do the same was decided from the AWS reference, sections 1.2 to 1.5.
@Suite struct AppspecFixtureTests {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures/appspec").path(percentEncoded: false)

    static let names: [String] =
        (try? FileManager.default.contentsOfDirectory(atPath: folder))?.sorted() ?? []  // none: a test below fails

    @Test(arguments: names) func `an appspec of the kind that people have is judged as the agent judges it`(
        name: String
    )
        throws
    {
        let text = try String(contentsOfFile: "\(Self.folder)/\(name)", encoding: .utf8)
        let head = text.split(separator: "\n", omittingEmptySubsequences: false).prefix { $0.hasPrefix("#: ") }
        let expected = head.map { String($0.dropFirst(3)) }
        var said: [Diagnostic], isRead: Bool
        do throws(Diagnostics) {
            said = try Appspec.parse(Array(text.utf8), file: "").1
            isRead = true
        } catch {
            said = error.all
            isRead = false
        }
        let words = said.map { diagnostic in
            let place = [diagnostic.line, diagnostic.column].compactMap { $0.map(String.init) }.joined(separator: ":")
            let verdict = diagnostic.severity == .error ? "refused" : "accepted"
            return "\(verdict) \(place): \(diagnostic.message)"
        }
        #expect((words.isEmpty ? ["accepted"] : words) == expected, "\(name)")
        #expect(isRead == !said.contains { $0.severity == .error })
        // Whoever reads a refusal wants to know whether AWS refuses too.
        #expect(said.allSatisfy { $0.severity == .warning || $0.onAWS != nil })
    }

    @Test func `there are enough of them`() { #expect(Self.names.count > 60) }
}
