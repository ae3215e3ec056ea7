import Foundation
import Glibc
import Spool
import Testing

@Suite struct FailpointTests {
    private let scratch: Scratch

    init() throws { scratch = try Scratch() }

    static let names = ["receive-before-keep", "receive-after-keep", "receive-after-sync", "receive-after-spool"]

    @Test func `the program lists its failpoints`() throws {
        let outcome = try scratch.run([Scratch.receive, "--failpoints"])
        #expect(outcome.standardOutput.split(separator: "\n").map(String.init) == Self.names)
    }

    @Test(arguments: names)
    func `killed anywhere, the spool holds the whole push or nothing`(name: String) throws {
        let commit = try scratch.commit("first")
        let outcome = try scratch.push("main", environment: ["SHIPIT_FAILPOINT": "\(name):kill"])
        #expect(outcome.status == 0)
        let pushes = try scratch.pushes()
        #expect(pushes.count == (name == "receive-after-spool" ? 1 : 0))
        #expect(pushes.allSatisfy { $0.updates.first?.new == Array(commit.utf8) })
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.spool).count == pushes.count)
        try scratch.git("-C", scratch.repository, "fsck", "--full", "--strict")
        #expect(scratch.calls(of: "follow").isEmpty && scratch.calls(of: "work").isEmpty)

        try scratch.commit("second")
        #expect(try scratch.push("main").status == 0)
        #expect(try scratch.pushes().count == pushes.count + 1)
    }

    @Test(arguments: zip(names, ["gc could remove", "power cut", "NOT queued", "no worker was started"]))
    func `a step that fails is said, and only the spool is indispensable`(name: String, words: String) throws {
        try scratch.commit("first")
        let outcome = try scratch.push("main", environment: ["SHIPIT_FAILPOINT": "\(name):error=ENOSPC"])
        #expect(outcome.status == 0)
        #expect(outcome.standardError.contains(words))
        #expect(outcome.standardError.contains("no space left on device"))
        #expect(try scratch.pushes().count == (name == "receive-after-sync" ? 0 : 1))
    }

    @Test func `a failpoint of another program means nothing here`() throws {
        try scratch.commit("first")
        try scratch.push("main", environment: ["SHIPIT_FAILPOINT": "switch-before-rename:kill"])
        #expect(try scratch.pushes().count == 1)
    }
}
