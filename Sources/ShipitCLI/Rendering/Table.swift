/// Columns that line up, for people.
struct Table {
    private let header: [String]
    private var rows: [[String]] = []

    init(_ header: String...) { self.header = header }

    var isEmpty: Bool { rows.isEmpty }

    mutating func add(_ cells: String...) { rows.append(cells) }

    /// `columns`: of the terminal, at whose edge the last column is cut off where some of it fits; nil: all of it.
    func text(in columns: Int?) -> String {
        let all = [header] + rows
        let widths = header.indices.map { column in all.map { width($0[column]) }.max() ?? 0 }
        let before = widths.dropLast().reduce(0) { $0 + $1 + 2 }
        let room = columns.map { max($0 - before, 8) } ?? .max
        return all.map { row in
            row.enumerated().map { column, cell in
                guard column == row.count - 1 else {
                    return cell + String(repeating: " ", count: widths[column] - width(cell) + 2)
                }
                return width(cell) > room && !cell.contains("\u{1B}") ? cell.prefix(room - 1) + "…" : cell
            }.joined().trimmingTrailingSpaces
        }.joined(separator: "\n")
    }

    /// Colours take no room on the screen.
    private func width(_ cell: String) -> Int {
        var count = 0
        var isEscape = false
        for character in cell {
            if character == "\u{1B}" { isEscape = true }
            if !isEscape { count += 1 }
            if isEscape, character == "m" { isEscape = false }
        }
        return count
    }
}

extension String {
    fileprivate var trimmingTrailingSpaces: String {
        var text = self[...]
        while text.last == " " { text = text.dropLast() }
        return String(text)
    }
}
