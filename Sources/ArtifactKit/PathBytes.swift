import Glibc

/// Paths as the bytes they are.
extension Collection<UInt8> where SubSequence == ArraySlice<UInt8>, Index == Int {
    /// The path without its last component; nil at the top.
    var parent: ArraySlice<UInt8>? {
        var index = endIndex
        while index > startIndex {
            index -= 1
            if self[index] == UInt8(ascii: "/") { return self[startIndex..<index] }
        }
        return nil
    }

    var lastComponent: ArraySlice<UInt8> {
        guard let parent else { return self[startIndex..<endIndex] }
        return self[(parent.endIndex + 1)...]
    }
}

extension Sequence<UInt8> {
    /// Whether this is earlier in the order of manifests: that of the bytes, a prefix first.
    func precedes(_ other: some Sequence<UInt8>) -> Bool {
        let order = withContiguousStorageIfAvailable { left in
            other.withContiguousStorageIfAvailable { right in
                let shared = Swift.min(left.count, right.count)
                guard shared > 0, let leftBase = left.baseAddress, let rightBase = right.baseAddress
                else { return left.count < right.count }
                let difference = memcmp(leftBase, rightBase, shared)
                return difference == 0 ? left.count < right.count : difference < 0
            }
        }
        return order?.flatMap { $0 } ?? lexicographicallyPrecedes(other)
    }
}

extension Collection<UInt8> {
    /// As C wants a path; there is no NUL in it, ``PathRules`` saw to that.
    func withCPath<Result, Failure: Error>(
        _ body: (UnsafePointer<CChar>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let path = map { CChar(bitPattern: $0) } + [0]
        return try body(path)
    }
}
