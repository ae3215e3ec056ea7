import FoundationEssentials
import GitKit

/// A notice as its receivers read it.
extension Notice {
    /// Without what `masker` hides: an event's text has none of it, and a name or a commit's subject may.
    func masked(_ masker: Masker) -> Notice {
        var notice = Notice(id: id, at: at, kind: kind, app: app, text: masker.masked(text))
        (notice.topic, notice.run, notice.job, notice.environment) = (topic, run, job, environment)
        (notice.revision, notice.status, notice.live, notice.previous) = (revision, status, live, previous)
        notice.subject = subject.map(masker.masked)
        notice.reference = reference.map(masker.masked)
        notice.by = by.map(masker.masked)
        notice.reason = reason.map(masker.masked)
        notice.command = command
        return notice
    }

    func body(_ format: Destination.Format) throws -> String {
        switch format {
        case .json:
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        case .slack:
            let encoder = JSONEncoder()
            encoder.outputFormatting = .withoutEscapingSlashes
            return String(decoding: try encoder.encode(["text": slackText]), as: UTF8.self)
        case .text: return paragraph
        }
    }

    /// Slack reads `<!channel>` and links between angle brackets, wherever they come from.
    private var slackText: String {
        func plain(_ text: String) -> String {
            text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
        }
        let next = command.map { "\n`\(plain($0))`" } ?? ""
        return plain(sentence) + next
    }

    private var paragraph: String {
        var lines = [sentence]
        if let reason, !text.contains(reason) { lines.append(reason) }
        if let by { lines.append("by \(by)") }
        if let revision { lines.append("revision \(revision.hex)") }
        if let live, topic == .failed || topic == .cancelled { lines.append("live stays \(live.hex)") }
        if let command { lines.append("next: \(command)") }
        return lines.joined(separator: "\n") + "\n"
    }

    /// For `sendmail -t -i`; no text of the notice can begin a header.
    func mail(to addresses: [String], _ format: Destination.Format) throws -> String {
        let type = format == .json ? "application/json" : "text/plain"
        return """
            To: \(addresses.joined(separator: ", "))
            Subject: \(Self.header("[\(app)] \(String(sentence.prefix(150)))"))
            MIME-Version: 1.0
            Content-Type: \(type); charset=utf-8
            Content-Transfer-Encoding: 8bit
            Auto-Submitted: auto-generated
            X-Shipit-Event: \(kind)

            \(try body(format))

            """
    }

    /// Printable ASCII as it is; else encoded words of at most 45 bytes each (RFC 2047).
    private static func header(_ text: String) -> String {
        if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }), !text.contains("=?") { return text }
        var words: [String] = [], word = ""
        for character in text {
            if word.utf8.count + String(character).utf8.count > 45 {
                words.append(word)
                word = ""
            }
            word.append(character)
        }
        words.append(word)
        return words.map { "=?UTF-8?B?\(Data($0.utf8).base64EncodedString())?=" }.joined(separator: "\n ")
    }
}
