import ArtifactKit
import Glibc

/// What an installation is about to do, so that whoever comes after a crash can put the old files back.
///
/// Old files are renamed aside and new ones written aside, each into the nearest folder above that stays; names have no
/// line end and no zero, which part the fields.
struct InstallJournal: Hashable, Sendable {
    enum Step: Hashable, Sendable {
        /// A folder that is made.
        case made([UInt8])
        /// An empty folder that goes.
        case removed([UInt8], mode: UInt32, uid: UInt32, gid: UInt32)
        /// Something that goes, and its name aside.
        case old([UInt8], aside: [UInt8])
        /// Something that comes, and its name aside.
        case new([UInt8], aside: [UInt8])
    }

    var steps: [Step] = []

    var bytes: [UInt8] {
        let lines = steps.map { step -> [[UInt8]] in
            switch step {
            case .made(let path): [Array("made".utf8), path]
            case .removed(let path, let mode, let uid, let gid):
                [Array("removed".utf8), path] + [mode, uid, gid].map { Array(String($0).utf8) }
            case .old(let path, let aside): [Array("old".utf8), path, aside]
            case .new(let path, let aside): [Array("new".utf8), path, aside]
            }
        }
        return lines.flatMap { Array($0.joined(separator: [0])) + [UInt8(ascii: "\n")] } + Array("end\n".utf8)
    }

    init(steps: [Step] = []) { self.steps = steps }

    /// Nil when it is not whole: then nothing had been done yet.
    init?(parsing bytes: [UInt8]) {
        var lines = bytes.split(separator: UInt8(ascii: "\n"))
        guard lines.popLast() == Array("end".utf8)[...] else { return nil }
        for line in lines {
            let fields = line.split(separator: 0, omittingEmptySubsequences: false).map(Array.init)
            let word = String(decoding: fields[0], as: UTF8.self)
            switch (word, fields.count) {
            case ("made", 2): steps.append(.made(fields[1]))
            case ("old", 3): steps.append(.old(fields[1], aside: fields[2]))
            case ("new", 3): steps.append(.new(fields[1], aside: fields[2]))
            case ("removed", 5):
                let numbers = fields[2...].compactMap { UInt32(String(decoding: $0, as: UTF8.self)) }
                guard numbers.count == 3 else { return nil }
                steps.append(.removed(fields[1], mode: numbers[0], uid: numbers[1], gid: numbers[2]))
            default: return nil
            }
        }
    }
}
