/// Matching with wildcards, a translation of git's wildmatch.c so that odd patterns have the same odd meaning.
struct Wildmatch {
    /// A pattern made to take exponential time.
    struct TooMuchEffort: Error {}

    private enum Outcome {
        case match
        case noMatch
        case abort
        case abortToStarStar
    }

    let pattern: ArraySlice<UInt8>
    private let text: ArraySlice<UInt8>
    /// `*` and `?` stop at slashes, `**` does not.
    private let slashesCount: Bool

    static func isSpecial(_ byte: UInt8) -> Bool { "*?[\\".utf8.contains(byte) }

    static func matches(
        _ pattern: ArraySlice<UInt8>, _ text: ArraySlice<UInt8>, slashesCount: Bool, effort: inout Int
    ) throws(TooMuchEffort) -> Bool {
        let matcher = Wildmatch(pattern: pattern, text: text, slashesCount: slashesCount)
        return try matcher.match(pattern.startIndex, text.startIndex, effort: &effort) == .match
    }

    func p(_ index: Int) -> UInt8 { index < pattern.endIndex ? pattern[index] : 0 }
    private func t(_ index: Int) -> UInt8 { index < text.endIndex ? text[index] : 0 }

    private func match(_ start: Int, _ textStart: Int, effort: inout Int) throws(TooMuchEffort) -> Outcome {
        var index = start
        var position = textStart
        while p(index) != 0 {
            try Self.spend(&effort)
            guard t(position) != 0 || p(index) == UInt8(ascii: "*") else { return .abort }
            switch p(index) {
            case UInt8(ascii: "?"):
                if slashesCount && t(position) == UInt8(ascii: "/") { return .noMatch }
            case UInt8(ascii: "["):
                guard let (matched, end) = matchClass(at: index, t(position)) else { return .abort }
                if !matched || (slashesCount && t(position) == UInt8(ascii: "/")) { return .noMatch }
                index = end
            case UInt8(ascii: "*"):
                switch try matchStar(start, &index, &position, effort: &effort) {
                case nil: break
                case let outcome?: return outcome
                }
            default:
                if p(index) == UInt8(ascii: "\\") { index += 1 }
                if t(position) != p(index) { return .noMatch }
            }
            index += 1
            position += 1
        }
        return t(position) == 0 ? .match : .noMatch
    }

    /// Nil when one star has matched up to a slash and the loop goes on after it.
    private func matchStar(
        _ start: Int, _ index: inout Int, _ position: inout Int, effort: inout Int
    ) throws(TooMuchEffort) -> Outcome? {
        let slash = UInt8(ascii: "/")
        let before = index - 1
        index += 1
        var crossesSlashes = !slashesCount
        if p(index) == UInt8(ascii: "*") {
            while p(index) == UInt8(ascii: "*") { index += 1 }
            let standsAlone = before < start || p(before) == slash
            if slashesCount, standsAlone,
                p(index) == 0 || p(index) == slash || (p(index) == UInt8(ascii: "\\") && p(index + 1) == slash)
            {
                if p(index) == slash, try match(index + 1, position, effort: &effort) == .match { return .match }
                crossesSlashes = true
            }
        }
        if p(index) == 0 {
            return crossesSlashes || !text[position...].contains(slash) ? .match : .noMatch
        }
        if !crossesSlashes && p(index) == slash {
            guard let next = text[position...].firstIndex(of: slash) else { return .noMatch }
            position = next
            return nil
        }
        while t(position) != 0 {
            try Self.spend(&effort)
            if !Self.isSpecial(p(index)) {
                while t(position) != 0, crossesSlashes || t(position) != slash, t(position) != p(index) {
                    position += 1
                }
                if t(position) != p(index) { return .noMatch }
            }
            let outcome = try match(index, position, effort: &effort)
            if outcome != .noMatch {
                if !crossesSlashes || outcome != .abortToStarStar { return outcome }
            } else if !crossesSlashes && t(position) == slash {
                return .abortToStarStar
            }
            position += 1
        }
        return .abort
    }

    private static func spend(_ effort: inout Int) throws(TooMuchEffort) {
        effort -= 1
        guard effort > 0 else { throw TooMuchEffort() }
    }
}
