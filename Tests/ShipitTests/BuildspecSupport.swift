@testable import Shipit

/// What is said about a buildspec, errors and warnings.
func buildspecComplaints(_ yaml: String) -> [String] {
    do throws(Diagnostics) {
        return try Buildspec.parse(Array(yaml.utf8), file: "b.yml").1.map(\.description)
    } catch {
        return error.all.map(\.description)
    }
}

/// A buildspec with a build phase and these lines, which must be understood.
func buildspec(_ lines: String) throws -> Buildspec {
    try Buildspec.parse(Array("version: 0.2\nphases: {build: {commands: [a]}}\n\(lines)".utf8), file: "b.yml").0
}
