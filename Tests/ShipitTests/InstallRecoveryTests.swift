import ArtifactKit
import Foundation
import Glibc
import Testing

@testable import Shipit

@Suite struct InstallCrashTests {
    private struct Killed: Error {}

    /// A revision of a few files and folders, whose names often stand for the other kind in the next one.
    private func fill(_ ground: Ground, _ random: inout some RandomNumberGenerator) throws {
        try? FileManager.default.removeItem(atPath: ground.bundle)  // made anew
        mkdir(ground.bundle, 0o755)
        let names = ["a", "b", "c/d", "c", "a/e", "f/g/h", "f/g", "link"]
        for name in names.shuffled(using: &random).prefix(Int.random(in: 1...5, using: &random)) {
            let path = "\(ground.bundle)/\(name)"
            let text = "\(UInt16.random(in: .min ... .max, using: &random))"
            if name == "link" {
                symlink(text, path)
            } else if !FileManager.default.fileExists(atPath: path), (try? ground.write(text, path)) == nil {
                continue  // a file stands where its folder would be
            }
        }
    }

    @Test(arguments: 0..<40)
    func `whatever is installed, and wherever it is stopped, the old files come back or the new ones are there`(
        seed: Int
    ) async throws {
        var random = Seeded(seed: UInt64(seed))
        let everything = "files: [{source: /, destination: /srv/app}]"
        let ground = try Ground(
            root: Bool.random(using: &random) ? ["srv/app/foreign": "f", "srv/app/b": "mine"] : [:])
        for _ in 0..<4 {
            try fill(ground, &random)
            let plan: InstallPlan
            do { plan = try ground.plan(everything, .overwrite) } catch is Diagnostics { continue }
            let before = (ground.tree(), ground.cleanup())
            var count = 0
            for limit in 0... {
                count = 0
                do {
                    try await ground.transaction(plan).begin {
                        count += 1
                        if count > limit { throw Killed() }
                    }
                    break
                } catch is Killed {
                    // A recovery that was itself stopped is begun anew.
                    try ground.recover()
                    #expect(before == (ground.tree(), ground.cleanup()), "seed \(seed), step \(limit)")
                    #expect(ground.names(ground.state).allSatisfy { !$0.hasPrefix(".") })
                }
            }
            try ground.recover()
            let after = ground.tree()
            #expect(!after.contains { $0.contains(".shipit-") }, "\(after)")
            for copy in plan.copies {
                let path = String(decoding: copy.destination, as: UTF8.self)
                #expect(after.contains { $0.hasPrefix("\(path) ") }, "\(path) in \(after)")
            }
            // What was installed is installed again without a change.
            try await ground.install(everything, .overwrite)
            #expect(ground.tree() == after)
        }
    }
}

@Suite struct InstallRecoveryTests {
    private struct Killed: Error {}
    private static let everything = "files: [{source: /, destination: /app}]"

    /// An installation over an older one that is killed when all old files are aside and no new one is in place.
    private func interrupted() async throws -> (ground: Ground, before: [String]) {
        let ground = try Ground(["a": "old", "b": "old", "d/c": "old"])
        try await ground.install(Self.everything)
        let before = ground.tree()
        for name in ["a", "b", "d/c"] { try ground.write("new", "\(ground.bundle)/\(name)") }
        var isOver = false
        do {
            try await ground.transaction(try ground.plan(Self.everything)).begin {
                if isOver { throw Killed() }
                isOver = !FileManager.default.fileExists(atPath: "\(ground.root)/app")
            }
        } catch is Killed {}
        #expect(ground.tree() != before)
        return (ground, before)
    }

    @Test func `what came back meanwhile stays, and everything else is put back`() async throws {
        let (ground, before) = try await interrupted()
        try ground.write("foreign", "\(ground.root)/app/b")
        let remarks = try InstallTransaction.recover(
            in: try Directory(path: ground.state), of: "g", at: try InstallRoot(ground.root))
        #expect(remarks.count == 1 && remarks[0].hasPrefix("\(ground.root)/app/b came back meanwhile"), "\(remarks)")
        let after = ground.tree().filter { !$0.contains(".shipit-") }
        #expect(after == before.map { $0 == "app/b 644 old" ? "app/b 644 foreign" : $0 })
        // A second recovery finds nothing to do.
        try ground.recover()
        #expect(ground.tree().filter { !$0.contains(".shipit-") } == after)
    }

    @Test func `a disk that is not there is waited for`() async throws {
        let (ground, before) = try await interrupted()
        rename("\(ground.root)", "\(ground.path)/unmounted")
        mkdir(ground.root, 0o755)
        #expect { try ground.recover() } throws: { "\($0)".contains("is its disk mounted?") }
        rmdir(ground.root)
        rename("\(ground.path)/unmounted", ground.root)
        try ground.recover()
        #expect(ground.tree() == before)
    }

    @Test func `two things never come to one place, by whatever way`() throws {
        let ground = try Ground(["a": "1", "sub/a": "2"], root: ["app/a/a": "foreign"])
        #expect(
            ground.problems("files: [{source: sub/a, destination: /app/a}, {source: a, destination: /app}]", .overwrite)
                == ["two things are to be installed as \(ground.root)/app/a/a"])
    }

    @Test func `a line end in a place is refused`() {
        let yaml = "version: 0.0\nos: linux\nfiles: [{source: a, destination: \"/srv/app\\n\"}]"
        #expect {
            _ = try Appspec.parse(Array(yaml.utf8), file: "appspec.yml")
        } throws: {
            "\($0)".contains("destination has a control character such as a line end in it")
        }
    }
}
