/// Numbers that follow from their seed (SplitMix64).
struct Seeded: RandomNumberGenerator {
    private var state: UInt64

    /// Not a multiple of what each number adds: neighbours would be the same numbers, one further on.
    init(seed: UInt64) { state = (seed &+ 1) &* 0xD6E8_FEB8_6659_FD93 }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var number = state
        number = (number ^ (number >> 30)) &* 0xBF58_476D_1CE4_E5B9
        number = (number ^ (number >> 27)) &* 0x94D0_49BB_1331_11EB
        return number ^ (number >> 31)
    }
}
