/// Byte strings as C wants lists of them: each ended by a zero, the list by a null pointer.
enum CStrings {
    static func with<Result>(
        _ strings: [[UInt8]], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        var offsets: [Int] = []
        var buffer: [CChar] = []
        for string in strings {
            offsets.append(buffer.count)
            buffer += string.prefix { $0 != 0 }.map { CChar(bitPattern: $0) } + [0]
        }
        return buffer.withUnsafeMutableBufferPointer { memory in
            body(offsets.map { offset in memory.baseAddress.map { $0 + offset } } + [nil])
        }
    }
}
