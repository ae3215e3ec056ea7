extension Push {
    /// One reference that git has moved, made or deleted.
    public struct Update: Hashable, Sendable {
        /// Hex digits as git gave them: 40 or 64, all zero when the reference was made.
        public var old: [UInt8]
        /// Hex digits as git gave them: 40 or 64, all zero when the reference was deleted.
        public var new: [UInt8]
        /// The full name, which may hold any bytes but control characters and a space.
        public var reference: [UInt8]

        public var isCreate: Bool { old.allSatisfy { $0 == UInt8(ascii: "0") } }
        public var isDelete: Bool { new.allSatisfy { $0 == UInt8(ascii: "0") } }

        public init(old: [UInt8], new: [UInt8], reference: [UInt8]) {
            self.old = old
            self.new = new
            self.reference = reference
        }

        /// Reads git's line `old SP new SP reference`, without its line feed; nil if git cannot have written it.
        public init?(line: ArraySlice<UInt8>) {
            let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3, fields[0].count == fields[1].count, Self.isID(fields[0]), Self.isID(fields[1]),
                Self.isReference(fields[2])
            else { return nil }
            self.init(old: Array(fields[0]), new: Array(fields[1]), reference: Array(fields[2]))
        }

        var line: [UInt8] { old + [UInt8(ascii: " ")] + new + [UInt8(ascii: " ")] + reference }

        private static func isID(_ bytes: ArraySlice<UInt8>) -> Bool {
            (bytes.count == 40 || bytes.count == 64) && bytes.allSatisfy(\.isLowercaseHexDigit)
        }

        private static func isReference(_ bytes: ArraySlice<UInt8>) -> Bool {
            !bytes.isEmpty && bytes.allSatisfy { $0 > 0x20 && $0 != 0x7F }
        }
    }
}
