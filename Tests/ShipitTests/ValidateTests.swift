import Foundation
import Glibc
import Testing

@testable import Shipit

struct ValidateTests {
    /// A folder of files that is judged and removed again.
    private func judge(_ files: [String: String], executable: Set<String> = []) throws -> [String] {
        var name = Array("\(NSTemporaryDirectory())validate-XXXXXX".utf8CString)
        let folder = try #require(mkdtemp(&name).map { String(cString: $0) })
        // A leftover folder is the system's to remove.
        defer { try? FileManager.default.removeItem(atPath: folder) }
        for (path, text) in files {
            let place = "\(folder)/\(path)"
            let above = (place as NSString).deletingLastPathComponent
            try FileManager.default.createDirectory(atPath: above, withIntermediateDirectories: true)
            try Data(text.utf8).write(to: URL(filePath: place))
            chmod(place, executable.contains(path) ? 0o755 : 0o644)
        }
        return try Validation(directory: folder).diagnostics.map(\.description)
    }

    private static let appspec = """
        version: 0.0
        os: linux
        files:
          - source: site
            destination: /
        hooks:
          AfterInstall:
            - location: scripts/install
        """

    private static let buildspec = "version: 0.2\nphases:\n  build:\n    commands: [make]\n"

    @Test func `what an appspec names must be there`() throws {
        let said = try judge(["appspec.yml": Self.appspec])
        #expect(
            said == [
                "appspec.yml:4: the source site is not there",
                "appspec.yml:8: AfterInstall: the script scripts/install is not there",
            ])
    }

    @Test func `what a build may make is a warning`() throws {
        let said = try judge(["appspec.yml": Self.appspec, "buildspec.yml": Self.buildspec])
        #expect(said.count == 2)
        #expect(said.allSatisfy { $0.contains("warning:") && $0.contains("unless the build makes it") })
    }

    @Test func `a script is a regular file, executable, and its first line ends as it should`() throws {
        let files = ["appspec.yml": Self.appspec, "site/a": "", "scripts/install": "#!/bin/sh\r\n"]
        #expect(
            try judge(files) == [
                "appspec.yml:8: warning: AfterInstall: the script scripts/install is not executable; chmod +x",
                "scripts/install:1: the line #!/bin/sh^M ends with a carriage return, so there is no such interpreter",
            ])
        let folder = ["appspec.yml": Self.appspec, "site/a": "", "scripts/install/x": ""]
        #expect(try judge(folder) == ["appspec.yml:8: AfterInstall: the script scripts/install is not a regular file"])
        let right = ["appspec.yml": Self.appspec, "site/a": "", "scripts/install": "#!/bin/sh\n"]
        #expect(try judge(right, executable: ["scripts/install"]) == [])
    }

    @Test func `an appspec that the artifacts leave out is a warning`() throws {
        let spec = Self.buildspec + "artifacts:\n  files: ['site/**/*', 'scripts/*']\n"
        let said = try judge(
            ["appspec.yml": Self.appspec, "buildspec.yml": spec, "site/a": "", "scripts/install": "#!/bin/sh\n"],
            executable: ["scripts/install"])
        #expect(said.count == 1)
        #expect(said.first?.contains("the artifacts leave out appspec.yml") == true)
    }

    @Test func `every template is valid`() throws {
        for name in Templates.names {
            let folder = "\(NSTemporaryDirectory())template-\(name)-\(getpid())"
            // A leftover folder is the system's to remove.
            defer { try? FileManager.default.removeItem(atPath: folder) }
            _ = try Templates.write(name, into: folder)
            let validation = try Validation(directory: folder)
            #expect(!validation.hasErrors, "\(name): \(validation.diagnostics)")
        }
    }

    @Test func `a single file is judged by its name, or by what it is said to be`() throws {
        let blog = try ShippedBlog(pushes: 0)
        try blog.write("version: 0.0\nos: windows\nhookz: {}\n", to: "\(blog.path)/appspec.yml")
        let said = try blog.shipit("validate", "appspec.yml", status: 65)
        #expect(said.contains("error: appspec.yml:2:5: os windows is not supported, expected linux"))
        #expect(said.contains(#"did you mean "hooks"?"#))
        try blog.write("version: 0.2\nphases: {}\n", to: "\(blog.path)/build.txt")
        try blog.shipit("validate", "build.txt", status: 64)
        try blog.shipit("validate", "build.txt", "--kind", "buildspec")
        try blog.shipit("validate", "build.txt", "--kind", "poem", status: 64)
        try blog.shipit("validate", blog.home.policy("blog"))
        try blog.shipit("validate", "nothing.yml", status: 69)
    }

    @Test func `a revision is judged with all that it names`() throws {
        let blog = try ShippedBlog()
        try blog.shipit("validate", "main")
        try blog.git("-C", blog.clone, "rm", "-q", "scripts/check")
        try blog.git("-C", blog.clone, "commit", "-q", "-m", "worse")
        try blog.git("-C", blog.clone, "push", "-q", "origin", "HEAD:refs/heads/worse")
        let said = try blog.shipit("validate", "worse", "--json", status: 65)
        #expect(said.contains("the script scripts/check is not there"))
    }
}
