/// One thing that is wrong with a file, and where.
public struct Diagnostic: Hashable, Sendable, CustomStringConvertible {
    public enum Severity: String, Hashable, Sendable, Codable {
        case error, warning
    }

    public let severity: Severity
    public let file: String
    /// Counted from one; nil where the whole file is meant.
    public let line: Int?
    public let column: Int?
    public let message: String
    /// What AWS does with the same file, where that is worth knowing: `the key is ignored`.
    public let onAWS: String?

    public init(
        _ severity: Severity, file: String, line: Int? = nil, column: Int? = nil, _ message: String,
        onAWS: String? = nil
    ) {
        self.severity = severity
        self.file = file
        self.line = line
        self.column = column
        self.message = message
        self.onAWS = onAWS
    }

    public var description: String {
        let place = [file, line.map(String.init), column.map(String.init)].compactMap(\.self).joined(separator: ":")
        return severity == .error ? "\(place): \(message)" : "\(place): warning: \(message)"
    }
}

/// All that is wrong with a file, at once.
public struct Diagnostics: Error, Hashable, Sendable, CustomStringConvertible {
    public let all: [Diagnostic]

    public init(_ all: [Diagnostic]) { self.all = all }

    public var errors: [Diagnostic] { all.filter { $0.severity == .error } }
    public var description: String { all.map(\.description).joined(separator: "\n") }
}

/// The nearest of the words that were meant, if one is near.
public func suggestion(for word: String, among words: [String]) -> String? {
    let near = words.map { (word: $0, distance: editDistance(word.lowercased(), $0.lowercased())) }
    guard let best = near.min(by: { $0.distance < $1.distance }) else { return nil }
    return best.distance <= max(1, min(3, word.count / 3)) ? best.word : nil
}

/// Letters to add, drop, change or swap with their neighbour.
private func editDistance(_ a: String, _ b: String) -> Int {
    let a = Array(a.unicodeScalars.prefix(64)), b = Array(b.unicodeScalars.prefix(64))
    var before: [Int] = []
    var row = Array(0...b.count)
    for (i, x) in a.enumerated() {
        var next = [i + 1]
        for (j, y) in b.enumerated() {
            var best = min(row[j + 1] + 1, next[j] + 1, row[j] + (x == y ? 0 : 1))
            if i > 0, j > 0, x == b[j - 1], a[i - 1] == y { best = min(best, before[j - 1] + 1) }
            next.append(best)
        }
        (before, row) = (row, next)
    }
    return row[b.count]
}
