import Glibc
import Shipit

/// What was found in files, for people: a block for each file, places and verdicts in columns, and below each finding what
/// AWS does with it.
struct DiagnosticList {
    let diagnostics: [Diagnostic]
    let terminal: Terminal

    var text: String {
        var blocks: [[Diagnostic]] = []
        for diagnostic in diagnostics {
            if blocks.last?.last?.file == diagnostic.file {
                blocks[blocks.count - 1].append(diagnostic)
            } else {
                blocks.append([diagnostic])
            }
        }
        return blocks.map(block).joined(separator: "\n\n")
    }

    /// `1 error and 2 warnings`, or that nothing is wrong.
    var verdict: String {
        let errors = diagnostics.count { $0.severity == .error }, warnings = diagnostics.count - errors
        func count(_ number: Int, _ word: String) -> String? {
            number == 0 ? nil : "\(number) \(word)\(number == 1 ? "" : "s")"
        }
        let parts = [count(errors, "error"), count(warnings, "warning")].compactMap(\.self)
        return parts.isEmpty ? "nothing is wrong" : parts.joined(separator: " and ")
    }

    private func block(_ diagnostics: [Diagnostic]) -> String {
        let places = diagnostics.map { diagnostic in
            [diagnostic.file, diagnostic.line.map(String.init), diagnostic.column.map(String.init)].compactMap(\.self)
                .joined(separator: ":")
        }
        let placeWidth = places.map(\.count).max() ?? 0
        let indent = placeWidth + 2 + "warning".count + 2
        return zip(places, diagnostics).map { place, diagnostic in
            let verdict = diagnostic.severity.rawValue.padded(to: "warning".count)
            let painted = terminal.painted(verdict, diagnostic.severity == .error ? .red : .yellow)
            var lines = ["\(place.padded(to: placeWidth))  \(painted)  \(wrapped(diagnostic.message, indent))"]
            if let onAWS = diagnostic.onAWS {
                let note = wrapped("on AWS: \(onAWS)", indent)
                lines.append(String(repeating: " ", count: indent) + terminal.painted(note, .dim))
            }
            return lines.joined(separator: "\n")
        }.joined(separator: "\n")
    }

    /// At a terminal, lines end where it does, unless next to nothing is left of it.
    private func wrapped(_ text: String, _ indent: Int) -> String {
        guard let width = terminal.width, width - indent >= 30 else { return text }
        var lines: [String] = [""]
        for word in text.split(separator: " ", omittingEmptySubsequences: false) {
            if lines[lines.count - 1].isEmpty {
                lines[lines.count - 1] = String(word)
            } else if lines[lines.count - 1].count + 1 + word.count <= width - indent {
                lines[lines.count - 1] += " " + word
            } else {
                lines.append(String(word))
            }
        }
        return lines.joined(separator: "\n" + String(repeating: " ", count: indent))
    }
}

extension Terminal {
    /// Of the answers, in letters; nil when they go elsewhere.
    fileprivate var width: Int? {
        var size = winsize()
        guard isatty(STDOUT_FILENO) == 1, ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
            return nil
        }
        return Int(size.ws_col)
    }
}

extension String {
    fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
