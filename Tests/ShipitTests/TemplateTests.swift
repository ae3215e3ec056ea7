import Foundation
import Testing

@testable import Shipit

/// Each template, made, pushed, built, deployed and used.
@Suite struct TemplateTests {
    @Test func `the python template answers on staging and, once promoted, in production`() async throws {
        try await TemplateApp.made(from: "python") { app in
            let revision = try await app.push()
            #expect(await app.page("staging", "/health") == "ok \(revision)\n")
            #expect(await app.page("staging", "/") == "Hello from staging.\n")
            #expect(await app.page("production", "/") == nil)

            try await app.shell("shipit promote")
            #expect(await app.page("production", "/health") == "ok \(revision)\n")
            #expect(await app.page("production", "/") == "Hello from production.\n")
        }
    }

    @Test func `the node template answers on staging`() async throws {
        try await TemplateApp.made(from: "node") { app in
            let revision = try await app.push()
            #expect(await app.page("staging", "/health") == "ok \(revision)\n")
            #expect(await app.page("staging", "/") == "Hello from staging.\n")
        }
    }

    @Test func `the swift template answers on staging, built with the toolchain that the policy shows`() async throws {
        try await TemplateApp.made(from: "swift") { app in
            let policy = try String(contentsOfFile: app.policy, encoding: .utf8)
            #expect(policy.contains("  see: [/opt/swift]\n"))
            let folders = try await TemplateApp.toolchain() ?? ""
            try policy.replacing("see: [/opt/swift]", with: "see: [\(folders)]")
                .write(toFile: app.policy, atomically: true, encoding: .utf8)

            let revision = try await app.push()
            #expect(await app.page("staging", "/health") == "ok \(revision)\n")
        }
    }

    @Test func `the static template shows its revision on the page`() async throws {
        try await TemplateApp.made(from: "static") { app in
            let revision = try await app.push()
            let page = try String(contentsOfFile: "\(app.current("staging"))/public/index.html", encoding: .utf8)
            #expect(page.contains("This is revision <code>\(revision)</code>."))
        }
    }

    @Test func `the make template runs and names its revision`() async throws {
        try await TemplateApp.made(from: "make") { app in
            let revision = try await app.push()
            let greet = "\(app.current("staging"))/bin/greet"
            #expect(try await app.shell("\(greet) --version") == "greet \(revision)\n")
            #expect(try await app.shell("\(greet) moon") == "Hello, moon!\n")
        }
    }

    @Test func `a template never overwrites anything`() async throws {
        try await TemplateApp.inScratchFolder { folder in
            try await TemplateApp.shell("echo mine > appspec.yml", in: folder)
            let line = "shipit template static . 2>&1 || true; ls; cat appspec.yml"
            let text = try await TemplateApp.shell(line, in: folder)
            #expect(text.contains("appspec.yml is there already, so nothing was written"))
            #expect(text.hasSuffix("\nappspec.yml\nmine\n"))
        }
    }

    @Test func `the demo goes through to its end and leaves nothing`() async throws {
        try await TemplateApp.inScratchFolder { folder in
            let text = try await TemplateApp.shell("shipit demo", in: folder)
            for sentence in [
                "$ git push origin main", "$ shipit plan", "$ shipit promote", "$ shipit rollback production",
                "the page at http://127.0.0.1:", "has no heading", "is live in production.", "What you saw",
            ] { #expect(text.contains(sentence), "\(sentence) is missing in:\n\(text)") }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
            #expect(ProcessSweep.processes(naming: folder).isEmpty)
        }
    }

    @Test func `a demo that is kept answers, and can be ended as it says`() async throws {
        try await TemplateApp.inScratchFolder { folder in
            let text = try await TemplateApp.shell("shipit demo --keep --folder ~/kept", in: folder)
            let address = try #require(text.firstMatch(of: /staging: http:\/\/127.0.0.1:([0-9]+)/))
            let port = try #require(UInt16(address.1))
            #expect(LoopbackPage.fetch(port: port)?.contains("Hello again") == true)
            let command = try #require(text.firstMatch(of: /\$ (kill .*)/)?.1)
            try await TemplateApp.shell(String(command), in: folder)
            #expect(!FileManager.default.fileExists(atPath: "\(folder)/kept"))
        }
    }

    @Test func `a demo refuses a folder that is in use`() async throws {
        try await TemplateApp.inScratchFolder { folder in
            try await TemplateApp.shell("mkdir used && touch used/file", in: folder)
            let text = try await TemplateApp.shell("shipit demo --folder used 2>&1; echo $?; ls used", in: folder)
            #expect(text.contains("used is not empty"))
            #expect(text.hasSuffix("64\nfile\n"))
        }
    }
}
