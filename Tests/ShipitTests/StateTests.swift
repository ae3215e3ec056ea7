import Foundation
import GRDB
import Glibc
import Testing

@testable import Shipit

/// What is live, as git shows it to everybody.
@Suite struct StateTests {
    @Test func `a clone sees by the notes where each commit went live, and nobody can push them`() async throws {
        let world = try await World()
        await world.push()
        try world.must(await world.shipit("promote"))
        try await world.ship(["index.html": "two\n"], "second")
        try await world.settled()
        try await world.git("fetch", "-q", "origin", "+refs/shipit/notes/*:refs/notes/shipit/*")
        let notes = try await world.git("log", "--notes=shipit/blog", "--format=%s|%N").split(separator: "\n")
        let second = try #require(notes.first)
        #expect(second.hasPrefix("second|staging: release 2, run 2, live 20"), "\(notes)")
        #expect(second.hasSuffix(", verified"))
        #expect(notes[1].hasPrefix("first|production: release 1, run 1, live 20"), "\(notes)")
        #expect(notes[2].hasPrefix("staging: release 1, run 1, live 20"), "\(notes)")

        for words in [
            ["HEAD:refs/shipit/notes/blog"], ["-f", "HEAD:refs/shipit/notes/blog"],
            ["--delete", "refs/shipit/notes/blog"], ["HEAD:refs/shipit/notes/other"],
            ["-f", "HEAD~1:refs/shipit/blog/production"],
        ] {
            let forged = await world.run(["/usr/bin/git", "push", "-q", "origin"] + words, in: world.clone)
            #expect(forged.status != 0, "\(words)")
        }
        // A rollback is told too.
        try world.must(await world.shipit("rollback", "staging"))
        try await world.settled()
        try await world.git("fetch", "-q", "origin", "+refs/shipit/notes/*:refs/notes/shipit/*")
        let now = try await world.git("log", "-1", "--notes=shipit/blog", "--format=%N", "HEAD~1")
        #expect(now.contains("staging: release 1, run 3, live"), "\(now)")
        #expect(await world.shipit("fsck").status == 0)
    }

    @Test func `a note keeps what the ledger has forgotten as its policy wants`() async throws {
        let world = try await World()
        await world.push()
        try world.must(await world.shipit("promote"))
        try await world.settled()
        let file = "\(world.home)/apps/blog/pipeline.yml"
        try world.write(try #require(world.read(file)) + "\nretention: {runs: {count: 50}}\n", to: file, mode: 0o600)
        let first = try await world.git("rev-parse", "HEAD")
        let note = {
            try await world.git("fetch", "-q", "origin", "+refs/shipit/notes/*:refs/notes/shipit/*")
            return try await world.git("log", "-1", "--notes=shipit/blog", "--format=%N", first)
        }
        let before = try await note()
        #expect(before.split(separator: "\n").count == 2, "\(before)")
        let ledger = try world.installation().ledger
        try ledger.write {
            try $0.execute(sql: "UPDATE environment SET live = NULL, previous = NULL WHERE name = 'production'")
            try $0.execute(sql: "DELETE FROM deployment WHERE environment = 'production'")
        }
        try world.must(await world.shipit("work"))
        try world.must(await world.shipit("promote", first, "--to", "staging"))
        try await world.settled()
        let after = try await note()
        #expect(after.split(separator: "\n").first == before.split(separator: "\n").first, "\(after)")
        #expect(after.contains("staging: release 2, run 2"), "\(after)")
    }

    @Test func `references that could not be set are set later, and hold nothing up`() async throws {
        let world = try await World()
        await world.push()
        try await world.settled()
        let lock = "\(world.repository)/refs/shipit/blog/staging.lock"
        try world.write("", to: lock)
        let revision = try await world.ship(["index.html": "two\n"]).revision
        #expect(world.current() == "two\n")
        try await world.settled()
        let ledger = try world.installation().ledger
        let intent = try #require(try ledger.referenceIntent(of: "blog"))
        #expect(intent.failures == 1)
        unlink(lock)
        // The pause is over.
        try ledger.postpone(intent, until: Timestamp(milliseconds: 0), because: "a test")
        try world.must(await world.shipit("work"))
        #expect(try await world.git("--git-dir", world.repository, "rev-parse", "refs/shipit/blog/staging") == revision)
        #expect(try ledger.referenceIntent(of: "blog") == nil)
    }

    @Test func `what changes the live deployment marks the references in the same transaction`() async throws {
        let world = try await World()
        await world.push()
        try await world.settled()
        let ledger = try world.installation().ledger
        #expect(try ledger.referenceIntent(of: "blog") == nil)
        struct Undone: Error {}
        try? ledger.write { db in  // undone on purpose
            try db.execute(sql: "UPDATE environment SET live = NULL WHERE name = 'staging'")
            throw Undone()
        }
        #expect(try ledger.referenceIntent(of: "blog") == nil)
        try ledger.write { try $0.execute(sql: "UPDATE environment SET live = NULL WHERE name = 'staging'") }
        let intent = try #require(try ledger.referenceIntent(of: "blog"))
        // One that saw an older state does not take the newer mark away.
        try ledger.settle(ReferenceIntent(app: "blog", deployment: 1, failures: 0))
        #expect(try ledger.referenceIntent(of: "blog") == intent)
        try ledger.settle(intent)
        #expect(try ledger.referenceIntent(of: "blog") == nil)
    }

    @Test(arguments: ["keep", "notes"])
    func `an app cannot be called as shipit's own references are`(name: String) {
        let complaints = pipelineComplaints(smallPipeline.replacing("app: blog", with: "app: \(name)"))
        #expect(complaints.first?.contains("is a name of shipit's own") == true)
    }
}
