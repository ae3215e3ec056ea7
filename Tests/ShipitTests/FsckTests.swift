import Foundation
import Glibc
import Testing

@testable import Shipit

/// One thing that goes wrong in a real installation, what fsck calls it, and what a repair leaves of it.
struct Damage: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let found: Set<Finding.Code>
    let left: Set<Finding.Code>
    let deed: @Sendable (ShippedBlog) throws -> Void

    static func mendable(
        _ name: String, _ found: Finding.Code, left: Set<Finding.Code> = [],
        _ deed: @escaping @Sendable (ShippedBlog) throws -> Void
    ) -> Damage {
        Damage(testDescription: name, found: left.union([found]), left: left, deed: deed)
    }

    static func lasting(
        _ name: String, _ found: Finding.Code, _ deed: @escaping @Sendable (ShippedBlog) throws -> Void
    ) -> Damage {
        Damage(testDescription: name, found: [found], left: [found], deed: deed)
    }
}

// One after the other: each has a whole installation, and waits for programs on a thread that others need.
@Suite(.serialized) struct FsckTests {
    @Test(arguments: repositoryDamage + homeDamage + artifactDamage + targetDamage)
    func `damage is found, mended when it can be, and mended once`(damage: Damage) async throws {
        let blog = try ShippedBlog()
        let fsck = try blog.fsck()
        #expect(try await fsck.check().findings == [])
        try damage.deed(blog)
        let report = try await fsck.check()
        #expect(Set(report.findings.map(\.code)) == damage.found, "\(report.findings)")
        var said: [String] = []
        let left = try await fsck.repair(report) { said.append($0) }
        #expect(Set(left.findings.map(\.code)) == damage.left, "\(left.findings) \(said)")
        #expect(said.isEmpty == (damage.found == damage.left), "\(said)")
        said = []
        let again = try await fsck.repair(left) { said.append($0) }
        #expect(again == left)
        #expect(said == [])
    }

    static let repositoryDamage: [Damage] = [
        .mendable("the state reference is gone", .stateReference) {
            try $0.git("--git-dir", $0.repository, "update-ref", "-d", "refs/shipit/blog/staging")
        },
        .mendable("a state reference of nothing", .stateReference) {
            try $0.git("--git-dir", $0.repository, "update-ref", "refs/shipit/blog/nowhere", "main")
        },
        .mendable("the notes are gone", .stateNote) {
            try $0.git("--git-dir", $0.repository, "update-ref", "-d", "refs/shipit/notes/blog")
        },
        .mendable("the notes are something else", .stateNote) {
            try $0.git("--git-dir", $0.repository, "update-ref", "refs/shipit/notes/blog", "main")
        },
        .mendable("the notes are not even commits", .stateNote) {
            try $0.git("--git-dir", $0.repository, "update-ref", "refs/shipit/notes/blog", "main^{tree}")
        },
        .mendable("a note says something else", .stateNote) {
            let id = try $0.git("--git-dir", $0.repository, "rev-parse", "main").text.prefix(40)
            try $0.git("--git-dir", $0.repository, "update-ref", "refs/notes/x", "refs/shipit/notes/blog")
            try $0.git(
                "--git-dir", $0.repository, "-c", "user.name=x", "-c", "user.email=x", "notes", "--ref=x", "add", "-f",
                "-m", "live", String(id))
            try $0.git("--git-dir", $0.repository, "update-ref", "refs/shipit/notes/blog", "refs/notes/x")
        },
        .mendable("the keep-ref is gone", .keepReference) {
            let id = try $0.git("--git-dir", $0.repository, "rev-parse", "main").text.prefix(40)
            try $0.git("--git-dir", $0.repository, "update-ref", "-d", "refs/shipit/keep/\(id)")
        },
        .mendable("the hook is gone", .hook) { try $0.remove("\($0.repository)/hooks/post-receive") },
        .mendable("the hook is not executable", .hook) { chmod("\($0.repository)/hooks/post-receive", 0o644) },
        .mendable("the hook names another home", .hook) {
            let hook = "\($0.repository)/hooks/post-receive"
            let text = try String(contentsOfFile: hook, encoding: .utf8)
            try $0.write(text.replacing($0.home.path, with: "/elsewhere"), to: hook, mode: 0o755)
        },
        .mendable("the hook is another's", .hook) {
            try $0.write("#!/bin/sh\n", to: "\($0.repository)/hooks/post-receive", mode: 0o755)
        },
        .lasting("hooks are looked for elsewhere", .hook) {
            try $0.git("--git-dir", $0.repository, "config", "core.hooksPath", "/nowhere/hooks")
        },
        .mendable("a setting was changed", .setting) {
            try $0.git("--git-dir", $0.repository, "config", "core.fsync", "none")
        },
        .mendable("a setting was removed", .setting) {
            try $0.git("--git-dir", $0.repository, "config", "--unset-all", "receive.hideRefs")
        },
        .lasting("a branch moved without the hook", .referenceMoved) {
            let id = try $0.git("-C", $0.repository, "commit-tree", "main^{tree}", "-p", "main", "-m", "x").text.prefix(
                40)
            try $0.git("--git-dir", $0.repository, "update-ref", "refs/heads/main", String(id))
        },
        .lasting("the live commit is gone", .commitMissing) {
            let id = try $0.git("--git-dir", $0.repository, "rev-parse", "main").text.prefix(40)
            try $0.remove("\($0.repository)/objects/\(id.prefix(2))/\(id.dropFirst(2))")
        },
        .lasting("the repository is gone", .repositoryUnreadable) {
            try FileManager.default.moveItem(atPath: $0.repository, toPath: "\($0.repository).away")
        },
    ]

    static let homeDamage: [Damage] = [
        .mendable("others may read the ledger", .mode) { chmod($0.home.ledger, 0o644) },
        .mendable("others may enter the policies", .mode) { chmod($0.home.apps, 0o755) },
        .mendable("everybody may write the spool", .mode) { chmod($0.home.spool, 0o777) },
        .mendable("others may read secrets", .mode) {
            try $0.shipit("env", "set", "staging", "A=b")
            chmod($0.home.environmentFile("blog", "staging"), 0o640)
        },
        .mendable("a push was put aside", .spoolUnreadable) { try $0.write("x", to: "\($0.home.spool)/.unreadable-1") },
        .lasting("a push cannot be read", .spoolUnreadable) {
            try $0.write("x", to: "\($0.home.spool)/0000000000000001-1-00000000.push")
        },
        .mendable("a killed hook left its file", .spoolLeftover) {
            let path = "\($0.home.spool)/.tmp-1"
            try $0.write("x", to: path)
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSince1970: 0)], ofItemAtPath: path)
        },
        .lasting("a push waits for a worker", .spoolWaiting) {
            // As if systemd were in charge: the hook starts nobody.
            try $0.write("", to: $0.home.systemdMarker)
            try $0.git("-C", $0.clone, "commit", "-q", "--allow-empty", "-m", "waits")
            try $0.git("-C", $0.clone, "push", "-q", "-o", "detach", "origin", "main")
        },
        .mendable("a workspace was left", .workspaceLeft) {
            try $0.write("x", to: "\($0.home.work)/1-1-1/source/file")
        },
        .mendable("a process of a build lives on", .processLeft) {
            let process = Process()
            process.executableURL = URL(filePath: "/bin/sleep")
            process.arguments = ["600"]
            process.environment = ["SHIPIT_MARK": "build-\($0.home.path)-1-1"]
            try process.run()
        },
        .mendable("the ledger knows another repository", .appUnknown) {
            try $0.sql("UPDATE app SET repository = '/x'")
        },
        .lasting("the policy is gone", .appWithoutPolicy) { try $0.remove($0.home.policy("blog")) },
        .lasting("the policy cannot be read", .policyUnreadable) {
            try $0.write("app: [", to: $0.home.policy("blog"), mode: 0o600)
        },
        .lasting("a foreign key leads nowhere", .ledgerDamaged) { try $0.sql("DELETE FROM policy") },
        .lasting("a status that is none", .ledgerDamaged) { try $0.sql("UPDATE deployment SET status = 'odd'") },
        .lasting("a run without jobs", .ledgerContradiction) {
            try $0.sql(
                """
                INSERT INTO run (app, kind, revision, by, created_at)
                SELECT app, 'start', revision, 'ann', 0 FROM run LIMIT 1
                """)
        },
        .lasting("a build that failed and was deployed", .ledgerContradiction) {
            try $0.sql("UPDATE job SET status = 'failed' WHERE name = 'build'")
        },
        // The note says that it was not verified, then.
        .mendable("a deployment that ended otherwise than its job", .stateNote, left: [.ledgerContradiction]) {
            try $0.sql("UPDATE deployment SET status = 'failed'")
        },
        .lasting("a number that was given out twice", .ledgerContradiction) {
            try $0.sql("UPDATE environment SET last_release = 0")
        },
        .lasting("a policy that is not what was agreed", .ledgerContradiction) {
            try $0.sql("UPDATE policy SET text = text || ' '")
        },
        .lasting("a live release of another environment", .ledgerContradiction) {
            try $0.sql(
                "INSERT INTO environment (app, name, live, last_release) SELECT app, 'other', live, 1 FROM environment WHERE name = 'staging'"
            )
        },
    ]
}
