import Foundation
import Glibc
import Spool
import Testing

@Suite struct ReceiveTests {
    private let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    private func lines(_ push: Push) -> Set<String> {
        Set(push.updates.map { "\(text($0.old)) \(text($0.new)) \(text($0.reference))" })
    }

    private func clearSpool() throws {
        for id in try SpoolFile.list(in: scratch.spool) { try SpoolFile.remove(id, in: scratch.spool) }
    }

    @Test func `created, forced, tagged and deleted references are recorded as git told them`() throws {
        let first = try scratch.commit("first")
        try scratch.git("-C", scratch.clone, "branch", "gone")
        #expect(try scratch.push("main", "gone").status == 0)
        let push = try scratch.onlyPush()
        #expect(
            lines(push) == ["\(scratch.zero) \(first) refs/heads/main", "\(scratch.zero) \(first) refs/heads/gone"])
        #expect(text(push.repository) == scratch.repository)
        try clearSpool()

        try scratch.git("-C", scratch.clone, "commit", "-q", "--amend", "--allow-empty", "-m", "other")
        try scratch.git("-C", scratch.clone, "tag", "-a", "v1", "-m", "one")
        let (second, tag) = (try scratch.revision("HEAD"), try scratch.revision("v1"))
        #expect(try scratch.push("--force", "main", "v1", ":gone").status == 0)
        #expect(
            lines(try scratch.onlyPush()) == [
                "\(first) \(second) refs/heads/main", "\(scratch.zero) \(tag) refs/tags/v1",
                "\(first) \(scratch.zero) refs/heads/gone",
            ])
        let kept = try scratch.git("-C", scratch.repository, "for-each-ref", "--format=%(refname)", "refs/shipit")
            .standardOutput
        #expect(
            Set(kept.split(separator: "\n").map(String.init))
                == Set([first, second, tag].map { "refs/shipit/keep/\($0)" }))
        try scratch.git("-C", scratch.repository, "fsck", "--full", "--strict")
    }

    @Test func `three thousand references are one spool file`() throws {
        let commit = try scratch.commit("first")
        let names = (0..<3000).map { "\(commit) refs/heads/b\($0)\n" }
        try scratch.write(names.joined(), to: scratch.clone + "/.git/packed-refs", mode: 0o644)
        #expect(try scratch.push("refs/heads/b*:refs/heads/b*").status == 0)
        #expect(try scratch.onlyPush().updates.count == 3000)
        let input = names.map { "\(scratch.zero) \($0)" }.joined()
        let duration = try ContinuousClock().measure { _ = try scratch.callHook(input) }
        #expect(duration < .seconds(1))
    }

    @Test func `at most sixty-four distinct objects are kept`() throws {
        let commits = try (0..<70).map { try scratch.commit("\($0)") }
        try scratch.git("-C", scratch.clone, "push", "-q", scratch.repository, "main", environment: ["GIT_TRACE": "0"])
        try clearSpool()
        let input = commits.map { "\(scratch.zero) \($0) refs/heads/x\($0)\n" }.joined()
        _ = try scratch.callHook(input)
        let kept = try FileManager.default.contentsOfDirectory(atPath: scratch.repository + "/refs/shipit/keep")
        #expect(Set(kept) == Set(commits[..<64] + [commits[69]]))
        #expect(try scratch.onlyPush().updates.count == 70)
    }

    @Test func `ids of sixty-four digits are ids`() throws {
        let scratch = try Scratch(objectFormat: "sha256")
        let commit = try scratch.commit("first")
        #expect(try scratch.push("main").status == 0)
        let update = try #require(try scratch.onlyPush().updates.first)
        #expect(update.isCreate && update.old.count == 64 && text(update.new) == commit)
        try scratch.git("-C", scratch.repository, "rev-parse", "--verify", "refs/shipit/keep/\(commit)")
    }

    @Test func `where references are not plain files git keeps them`() throws {
        let commit = try scratch.commit("first")
        try scratch.git("-C", scratch.repository, "config", "shipit.test", "RefStorage")
        #expect(try scratch.push("main").standardError.contains("warning") == false)
        try scratch.git("-C", scratch.repository, "rev-parse", "--verify", "refs/shipit/keep/\(commit)")
    }

    @Test func `a link in the place of the keep folder is not followed`() throws {
        try scratch.commit("first")
        try FileManager.default.createDirectory(atPath: scratch.path + "/outside", withIntermediateDirectories: true)
        #expect(symlink(scratch.path + "/outside", scratch.repository + "/refs/shipit") == 0)
        #expect(try scratch.push("main").status == 0)
        #expect(try scratch.onlyPush().updates.count == 1)
    }

    @Test func `keep references have the modes of the repository's other references`() throws {
        #expect(chmod(scratch.repository + "/refs", 0o2775) == 0)
        let commit = try scratch.commit("first")
        #expect(try scratch.push("main").status == 0)
        var status = stat()
        #expect(stat(scratch.repository + "/refs/shipit/keep", &status) == 0)
        #expect(status.st_mode & 0o7777 == 0o2775)
        #expect(stat(scratch.repository + "/refs/shipit/keep/\(commit)", &status) == 0)
        #expect(status.st_mode & 0o7777 == 0o664)
    }

    @Test func `push options keep their spaces and equals signs`() throws {
        try scratch.commit("first")
        try scratch.push("-o", "reason=a = b", "-o", "wait", "main")
        #expect(try scratch.onlyPush().options.map(text) == ["reason=a = b", "wait"])
    }

    @Test func `sixty-four options of four kibibytes are the most that is recorded`() throws {
        var environment = ["GIT_PUSH_OPTION_COUNT": "99999999999"]
        for index in 0..<70 { environment["GIT_PUSH_OPTION_\(index)"] = String(repeating: "x", count: 5000) }
        _ = try scratch.callHook("\(scratch.zero) \(scratch.zero) refs/heads/a\n", environment: environment)
        #expect(try scratch.onlyPush().options.map(\.count) == Array(repeating: 4096, count: 64))
    }

    @Test func `what the environment says about the pusher is recorded, clipped`() throws {
        _ = try scratch.callHook(
            "\(scratch.zero) \(scratch.zero) refs/heads/a\n",
            environment: [
                "GL_USER": "ann", "SSH_CONNECTION": String(repeating: "1", count: 2000), "SECRET": "no", "USER": "",
            ])
        let claims = try scratch.onlyPush().claims
        #expect(claims.map(\.name) == ["GL_USER", "SSH_CONNECTION"])
        #expect(claims.map(\.value.count) == [3, 1024])
    }

    @Test func `a reference that is shell text is only a name`() throws {
        try scratch.commit("first")
        let name = "refs/heads/a;$(touch${IFS}pwn)"
        #expect(try scratch.push("main:\(name)").status == 0)
        #expect(try text(scratch.onlyPush().updates[0].reference) == name)
        let found = try scratch.run(["/usr/bin/find", scratch.path, "-name", "pwn*"])
        #expect(found.standardOutput.isEmpty)
    }

    @Test func `malformed lines are counted and said, the others queued`() throws {
        let line = "\(scratch.zero) \(scratch.zero) refs/heads/a"
        let outcome = try scratch.callHook("nonsense\n\(line)\n\nmore nonsense\n\(line)b")
        #expect(
            outcome.standardError == "shipit: warning: not understood and not queued: 2 of the lines that git gave\n")
        #expect(try scratch.onlyPush().updates.count == 2)
    }

    @Test func `no update is no push and no word`() throws {
        let outcome = try scratch.callHook("")
        #expect(outcome.status == 0 && outcome.standardOutput.isEmpty && outcome.standardError.isEmpty)
        #expect(try scratch.pushes().isEmpty)
    }

    @Test(arguments: ["rmdir home/spool", "rm -r home", "rmdir home/spool; touch home/spool"])
    func `a push that cannot be queued is accepted and says so loudly`(damage: String) throws {
        try scratch.commit("first")
        try scratch.git("init", "-q", "elsewhere")
        #expect(try scratch.run(["/bin/sh", "-c", damage]).status == 0)
        let outcome = try scratch.push("main")
        #expect(outcome.status == 0)
        #expect(outcome.standardError.contains("shipit: error: the push was accepted but NOT queued: could not "))
        #expect(scratch.calls(of: "follow").isEmpty)
        let line = "\(scratch.zero) \(scratch.zero) refs/heads/a\n"
        #expect(try scratch.callHook(line).status == 1)
    }

    @Test func `a program that is missing is said loudly`() throws {
        try scratch.installHook(receive: scratch.path + "/none")
        try scratch.commit("first")
        let outcome = try scratch.push("main")
        #expect(outcome.status == 0)
        #expect(outcome.standardError.contains("NOT queued: \(scratch.path)/none is missing"))
        #expect(try scratch.callHook("").status == 1)
    }

    @Test(arguments: [[], ["--home", "relative"], ["--home", "/x", "--color"]])
    func `a call that makes no sense is a usage error`(arguments: [String]) throws {
        let outcome = try scratch.run([Scratch.receive] + arguments)
        #expect(outcome.status == 64)
        #expect(outcome.standardError.contains("usage: shipit-receive"))
    }
}
