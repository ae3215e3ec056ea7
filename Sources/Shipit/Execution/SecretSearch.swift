/// Finds any of many words in one pass, however many there are (Aho and Corasick, 1975).
///
/// Children are lists, not tables of 256: a secret's forms make thousands of nodes, and nearly all have one child.
final class SecretSearch: Sendable {
    private let firstChild: [Int32]
    private let sibling: [Int32]
    private let byte: [UInt8]
    private let depth: [Int32]
    /// Where the longest suffix that begins a word goes on.
    private let fallback: [Int32]
    /// The longest word that ends here; 0 for none.
    private let word: [Int32]
    /// The children of the root, and whether a byte and the one after it can begin a word.
    private let first: [Int32]
    private let pairs: [Bool]

    init(_ words: Set<[UInt8]>) {
        var (firstChild, sibling, byte, depth, word): ([Int32], [Int32], [UInt8], [Int32], [Int32]) =
            ([0], [0], [0], [0], [0])
        func child(_ node: Int32, _ wanted: UInt8) -> Int32 {
            var next = firstChild[Int(node)]
            while next != 0, byte[Int(next)] != wanted { next = sibling[Int(next)] }
            return next
        }
        for text in words where !text.isEmpty {
            var node: Int32 = 0
            for wanted in text {
                var next = child(node, wanted)
                if next == 0 {
                    next = Int32(firstChild.count)
                    firstChild.append(0)
                    sibling.append(firstChild[Int(node)])
                    byte.append(wanted)
                    depth.append(depth[Int(node)] + 1)
                    word.append(0)
                    firstChild[Int(node)] = next
                }
                node = next
            }
            word[Int(node)] = depth[Int(node)]
        }
        var fallback = [Int32](repeating: 0, count: firstChild.count)
        var (queue, position): ([Int32], Int) = ([0], 0)
        while position < queue.count {
            let node = queue[position]
            position += 1
            var next = firstChild[Int(node)]
            while next != 0 {
                if node != 0 {
                    var suffix = fallback[Int(node)]
                    var found = child(suffix, byte[Int(next)])
                    while found == 0, suffix != 0 {
                        suffix = fallback[Int(suffix)]
                        found = child(suffix, byte[Int(next)])
                    }
                    fallback[Int(next)] = found
                    if word[Int(next)] == 0 { word[Int(next)] = word[Int(found)] }
                }
                queue.append(next)
                next = sibling[Int(next)]
            }
        }
        var (first, pairs) = ([Int32](repeating: 0, count: 256), [Bool](repeating: false, count: 1 << 16))
        var start = firstChild[0]
        while start != 0 {
            first[Int(byte[Int(start)])] = start
            var second = firstChild[Int(start)]
            while second != 0 {
                pairs[Int(byte[Int(start)]) << 8 | Int(byte[Int(second)])] = true
                second = sibling[Int(second)]
            }
            start = sibling[Int(start)]
        }
        (self.firstChild, self.sibling, self.byte, self.depth) = (firstChild, sibling, byte, depth)
        (self.word, self.fallback, self.first, self.pairs) = (word, fallback, first, pairs)
    }

    /// How many bytes at the beginning can belong to no word, judged by two bytes at a time.
    func plainPrefix(of bytes: UnsafeRawBufferPointer) -> Int {
        Self.plain(bytes, from: 0, pairs, first)
    }

    private static func plain(_ bytes: UnsafeRawBufferPointer, from start: Int, _ pairs: [Bool], _ first: [Int32])
        -> Int
    {
        pairs.withUnsafeBufferPointer { pairs in
            var index = start
            let last = bytes.count - 1
            while index < last {
                if pairs[Int(bytes[index]) << 8 | Int(bytes[index + 1])] { return index }
                index += 1
            }
            return index == last && first[Int(bytes[index])] == 0 ? bytes.count : index
        }
    }

    /// Goes on from `state`; `found` gets the end and the length of words, each the longest that ends there.
    ///
    /// Gives how many of the last bytes may be the beginning of a word.
    func run(_ bytes: UnsafeRawBufferPointer, from state: inout Int32, found: (Int, Int) -> Void) -> Int {
        var node = state
        var index = 0
        while index < bytes.count {
            if node == 0 {
                index = Self.plain(bytes, from: index, pairs, first)
                if index == bytes.count { break }
            }
            let wanted = bytes[index]
            index += 1
            while true {
                if node == 0 {
                    node = first[Int(wanted)]
                    break
                }
                var next = firstChild[Int(node)]
                while next != 0, byte[Int(next)] != wanted { next = sibling[Int(next)] }
                if next != 0 {
                    node = next
                    break
                }
                node = fallback[Int(node)]
            }
            let length = word[Int(node)]
            if length > 0 { found(index, Int(length)) }
        }
        state = node
        return Int(depth[Int(node)])
    }
}
