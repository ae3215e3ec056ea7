import Foundation
import Shipit

/// A job that waits, as people read it: one thing that it waits for a line, each with the command that would move it.
struct Waiting {
    /// As the rules said them, first what would be cleared first.
    private(set) var obstacles: [String]

    init(_ job: Job) { obstacles = (job.reason ?? "").components(separatedBy: "; then ").filter { !$0.isEmpty } }

    /// Whether one of the lines names the command already.
    var saysCommand: Bool { obstacles.contains { $0.contains("; shipit ") } }

    /// Names the whole command that promotes, where the rules only know its first words.
    mutating func name(_ command: String) {
        obstacles = obstacles.map { $0 == "for promotion; shipit promote" ? "for promotion; \(command)" : $0 }
    }

    /// `heading` and what it waits for: in one line when that is one thing.
    func lines(_ heading: String, _ separator: String, indent: String = "  ") -> [String] {
        guard obstacles.count != 1 else { return [heading + separator + obstacles[0]] }
        return [heading] + obstacles.map { indent + $0 }
    }
}
