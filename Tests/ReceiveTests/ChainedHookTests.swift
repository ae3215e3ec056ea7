import Foundation
import Glibc
import Spool
import Testing

@Suite struct ChainedHookTests {
    private let scratch: Scratch
    private let chained = "hooks/post-receive.before-shipit"

    init() throws {
        scratch = try Scratch(chained: chained)
        try scratch.commit("first")
    }

    private func installChained(_ body: String) throws {
        try scratch.write("#!/bin/sh\n\(body)\n", to: "\(scratch.repository)/\(chained)", mode: 0o755)
    }

    private func contents(_ name: String) throws -> String {
        try String(contentsOfFile: "\(scratch.path)/\(name)", encoding: .utf8)
    }

    @Test func `it gets the same input and environment, after the push is safe and before it is followed`() throws {
        try installChained(
            "cat >../input; pwd >../pwd; echo $GIT_DIR $EXTRA >../env; ls ../home/spool >../spooled; ls ../calls >../calls-then"
        )
        let line = "\(scratch.zero) \(scratch.zero) refs/heads/a\n"
        let outcome = try scratch.callHook(line, environment: ["EXTRA": "it's"])
        #expect(outcome.status == 0)
        #expect(try contents("input") == line)
        #expect(try contents("pwd") == scratch.repository + "\n")
        #expect(try contents("env") == ". it's\n")
        #expect(try contents("spooled").hasSuffix(".push\n"))
        #expect(try !contents("calls-then").contains("follow"))
        #expect(scratch.calls(of: "follow").count == 1)
    }

    @Test func `its exit status is the hook's`() throws {
        try installChained("exit 7")
        #expect(try scratch.callHook("\(scratch.zero) \(scratch.zero) refs/heads/a\n").status == 7)
        #expect(scratch.calls(of: "follow").count == 1)
        #expect(try scratch.callHook("").status == 7)
        try installChained("kill -TERM $$")
        #expect(try scratch.callHook("\(scratch.zero) \(scratch.zero) refs/heads/a\n").status == 143)
    }

    @Test func `large input arrives whole, read or not`() throws {
        try installChained("wc -l >../lines")
        let input = String(repeating: "\(scratch.zero) \(scratch.zero) refs/heads/a\n", count: 20_000)
        #expect(try scratch.callHook(input).status == 0)
        #expect(try contents("lines").trimmingCharacters(in: .whitespacesAndNewlines) == "20000")
        try installChained("exit 0")
        #expect(try scratch.callHook(input).status == 0)
    }

    @Test func `it runs when shipit is gone or cannot queue`() throws {
        try installChained("cat >../input; exit 0")
        try FileManager.default.removeItem(atPath: scratch.spool)
        try scratch.push("main")
        #expect(try contents("input").hasSuffix("refs/heads/main\n"))
        try scratch.installHook(chained: chained, receive: scratch.path + "/none")
        let outcome = try scratch.push("main:other")
        #expect(outcome.standardError.contains("is missing"))
        #expect(try contents("input").hasSuffix("refs/heads/other\n"))
    }

    @Test func `a hook that is gone is said, and the push is queued`() throws {
        let outcome = try scratch.push("main")
        #expect(outcome.standardError.contains("the hook that was here before shipit's was not run: "))
        #expect(try scratch.pushes().count == 1)
    }
}
