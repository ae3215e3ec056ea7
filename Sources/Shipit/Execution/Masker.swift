/// Takes secrets out of text, in every form that ``SecretForms`` knows; each stretch of secret text becomes `***`.
struct Masker: Sendable {
    /// Nil when there is nothing to hide.
    private let search: SecretSearch?
    /// Shorter values hide nothing and would blank out half of a log.
    static let shortest = 4

    init(secrets: [String]) {
        let needles = secrets.reduce(into: Set<[UInt8]>()) { $0.formUnion(SecretForms.all(of: $1)) }
        search = needles.isEmpty ? nil : SecretSearch(needles)
    }

    func masked(_ bytes: [UInt8]) -> [UInt8] {
        guard search != nil else { return bytes }
        var stream = stream()
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        bytes.withUnsafeBytes { stream.mask($0, into: &result) }
        stream.finish(into: &result)
        return result
    }

    func masked(_ text: String) -> String {
        search == nil ? text : String(decoding: masked(Array(text.utf8)), as: UTF8.self)
    }

    func stream() -> MaskingStream { MaskingStream(search) }
}

/// Text that comes in pieces: what leaves is the same wherever the pieces end.
///
/// Only what may be the beginning of a secret is kept back, so at most as much as the longest one is long.
struct MaskingStream: Sendable {
    private let search: SecretSearch?
    private var state: Int32 = 0
    private var held: [UInt8] = []
    /// In what is held: apart from one another, and in order.
    private var secret: [Range<Int>] = []
    /// The last byte that left was hidden, so that what follows it needs no stars of its own.
    private var wasHidden = false

    fileprivate init(_ search: SecretSearch?) { self.search = search }

    mutating func mask(_ bytes: UnsafeRawBufferPointer, into result: inout [UInt8]) {
        guard let search else {
            result.append(contentsOf: bytes)
            return
        }
        if held.isEmpty, state == 0 {
            let plain = search.plainPrefix(of: bytes)
            if plain > 0 {
                result.append(contentsOf: bytes[..<plain])
                wasHidden = false
            }
            if plain == bytes.count { return }
            return go(search, UnsafeRawBufferPointer(rebasing: bytes[plain...]), into: &result)
        }
        go(search, bytes, into: &result)
    }

    /// The text is over: what is held is no beginning of anything.
    mutating func finish(into result: inout [UInt8]) {
        emit(held.count, from: held, into: &result)
        held.removeAll(keepingCapacity: true)
        secret.removeAll(keepingCapacity: true)
        state = 0
        wasHidden = false
    }

    private mutating func go(_ search: SecretSearch, _ bytes: UnsafeRawBufferPointer, into result: inout [UInt8]) {
        let before = held.count
        held.append(contentsOf: bytes)
        let depth = search.run(bytes, from: &state) { end, length in
            var found = before + end - length..<before + end
            while let last = secret.last, last.upperBound >= found.lowerBound {
                found = min(last.lowerBound, found.lowerBound)..<found.upperBound
                secret.removeLast()
            }
            secret.append(found)
        }
        let decided = held.count - depth
        emit(decided, from: held, into: &result)
        held.removeFirst(decided)
        secret = secret.compactMap { range in
            range.upperBound <= decided ? nil : max(0, range.lowerBound - decided)..<(range.upperBound - decided)
        }
    }

    private mutating func emit(_ count: Int, from bytes: [UInt8], into result: inout [UInt8]) {
        var position = 0
        for range in secret where range.lowerBound < count {
            if range.lowerBound > position {
                result.append(contentsOf: bytes[position..<range.lowerBound])
                wasHidden = false
            }
            if !wasHidden { result.append(contentsOf: [0x2A, 0x2A, 0x2A]) }
            wasHidden = true
            position = min(count, range.upperBound)
        }
        guard position < count else { return }
        result.append(contentsOf: bytes[position..<count])
        wasHidden = false
    }
}
