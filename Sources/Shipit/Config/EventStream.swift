import CYaml

/// What libyaml sees in a text, one event after the other.
final class EventStream {
    struct Event {
        let value: yaml_event_t

        var mark: Node.Mark { Node.Mark(value.start_mark) }
    }

    private var parser = yaml_parser_t()
    private var event = yaml_event_t()
    private let source: UnsafeMutableBufferPointer<UInt8>
    private var isOver = false

    init(_ text: [UInt8]) {
        source = .allocate(capacity: text.count)
        _ = source.initialize(from: text)
        isOver = yaml_parser_initialize(&parser) == 0
        yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(&parser, source.baseAddress, source.count)
    }

    deinit {
        drop()
        yaml_parser_delete(&parser)
        source.deallocate()
    }

    /// Its texts are there until `drop`. Nil behind the last one.
    func next() throws(YAMLComposer.Fault) -> Event? {
        if isOver { return nil }
        guard yaml_parser_parse(&parser, &event) == 1 else {
            isOver = true
            throw fault
        }
        isOver = event.type == YAML_STREAM_END_EVENT
        return Event(value: event)
    }

    func drop() {
        yaml_event_delete(&event)
        event = yaml_event_t()
    }

    private var fault: YAMLComposer.Fault {
        let mark = Node.Mark(parser.problem_mark)
        var message = parser.problem.map { String(cString: $0) } ?? "the file cannot be read"
        if message.hasPrefix("found a tab")
            || message.hasSuffix("start any token") && byte(at: mark) == UInt8(ascii: "\t")
        {
            message = "a tab cannot indent, expected spaces"
        } else if message.hasPrefix("Maximum nesting level") {
            message = YAMLComposer.tooDeep
        } else if let context = parser.context.map({ String(cString: $0) }) {
            let began = Node.Mark(parser.context_mark)
            message += " \(context)" + (began.line < mark.line ? " that begins in line \(began.line)" : "")
        }
        let began = Node.Mark(parser.context_mark)
        if !message.hasPrefix("a tab"), let line = [mark.line, began.line].first(where: hasTabIndent) {
            message += "; a tab indents line \(line), expected spaces"
        }
        return YAMLComposer.Fault(message: message, mark: mark)
    }

    /// Not what may be within brackets, but of a file that cannot be read a tab is the first thing to look at.
    private func hasTabIndent(_ number: Int) -> Bool {
        var line = 1, index = 0
        while line < number, index < source.count {
            if source[index] == UInt8(ascii: "\n") { line += 1 }
            index += 1
        }
        return source[index...].prefix { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
            .contains(UInt8(ascii: "\t"))
    }

    private func byte(at mark: Node.Mark) -> UInt8? {
        // Only blanks stand before what cannot start a token, and a blank is a byte.
        var line = 1, start = 0
        while line < mark.line, start < source.count {
            if source[start] == UInt8(ascii: "\n") { line += 1 }
            start += 1
        }
        let index = start + mark.column - 1
        return index < source.count ? source[index] : nil
    }
}

extension Node.Mark {
    fileprivate init(_ mark: yaml_mark_t) { self.init(line: mark.line + 1, column: mark.column + 1) }
}
