import Foundation
import Shipit

/// A job that waits, as people read it: one thing that it waits for a line, each with the command that would move it.
struct Waiting {
    /// As the rules said them, first what would be cleared first.
    let obstacles: [String]

    init(_ job: Job) { obstacles = (job.reason ?? "").components(separatedBy: "; then ").filter { !$0.isEmpty } }

    /// `heading` and what it waits for: in one line when that is one thing.
    func lines(_ heading: String, _ separator: String, indent: String = "  ") -> [String] {
        guard obstacles.count != 1 else { return [heading + separator + obstacles[0]] }
        return [heading] + obstacles.map { indent + $0 }
    }
}
