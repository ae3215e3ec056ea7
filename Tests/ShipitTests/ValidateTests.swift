import Foundation
import Glibc
import Testing

@testable import Shipit
@testable import ShipitCLI

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
                "appspec.yml:4:13: the source site is not there",
                "appspec.yml:8:17: AfterInstall: the script scripts/install is not there",
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
                "appspec.yml:8:17: warning: AfterInstall: the script scripts/install is not executable; chmod +x",
                "scripts/install:1:1: the line #!/bin/sh^M ends with a carriage return, so there is no such interpreter",
            ])
        let folder = ["appspec.yml": Self.appspec, "site/a": "", "scripts/install/x": ""]
        #expect(
            try judge(folder) == ["appspec.yml:8:17: AfterInstall: the script scripts/install is not a regular file"])
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
        #expect(said.contains("appspec.yml:2:5  error    os windows is not supported, expected linux"))
        #expect(said.contains("  on AWS: the deployment fails at its first event\n"))
        try blog.write("version: 0.2\nphases: {}\n", to: "\(blog.path)/build.txt")
        try blog.shipit("validate", "build.txt", status: 64)
        try blog.shipit("validate", "build.txt", "--kind", "buildspec")
        try blog.shipit("validate", "build.txt", "--kind", "poem", status: 64)
        try blog.shipit("validate", blog.home.policy("blog"))
        try blog.shipit("validate", "nothing.yml", status: 69)
    }

    @Test func `what does not fit together is said with its place, and with what AWS does`() throws {
        let appspec = """
            version: 0.0
            os: linux
            files:
              - {source: site, destination: /srv/www}
              - {source: other/a, destination: /srv/www}
              - {source: "*.css", destination: /srv/www}
              - {source: other/d, destination: /srv/www/sub}
            permissions:
              - {object: /srv/www/a, pattern: "*.sh", mode: 644}
              - {object: /srv/www, type: [directory], mode: 755}
              - {object: /srv/www/sub, mode: 644}
              - {object: /srv/www, mode: 600}
              - {object: /nowhere, mode: 600, owner: nobody-of-this-name}
            hooks:
              AfterInstall: [{location: scripts/install fast}]
            """
        let said = try judge(["appspec.yml": appspec, "site/a": "", "site/sub/b": "", "other/a": "", "other/d": ""])
        let expected = [
            "5:14: site/a and other/a are both to be installed as /srv/www/a",
            "6:14: the source *.css is not there; names with * are not expanded",
            "9:14: permissions of /srv/www/a: that is a file, so pattern and except mean nothing",
            "12:14: the permissions of /srv/www/sub are given more than once",
            "12:14: the permissions of /srv/www/sub/b are given more than once",
            "12:14: the permissions of /srv/www/sub/d are given more than once",
            "13:14: warning: permissions of /nowhere: nothing that is installed matches",
            "13:14: warning: permissions of /nowhere: nobody-of-this-name is no user of this machine",
            "15:29: AfterInstall: the script scripts/install fast is not there; a location has no arguments",
        ]
        #expect(said == expected.map { "appspec.yml:\($0)" })
    }

    @Test func `a bundle is judged as the folder that it holds, whatever packed it`() throws {
        let ground = try Ground()
        try ground.makeBundle("one", events: ["ApplicationStart"])
        unlink("\(ground.bundle)/scripts/ApplicationStart")
        try ground.pack("/usr/bin/tar", "-cf", "b.tar", "-C", ground.bundle, ".")
        try ground.pack("/usr/bin/tar", "-czf", "b.tgz", "-C", ground.path, "bundle")
        let script = "import sys, shutil; shutil.make_archive('b', 'zip', sys.argv[1])"
        try ground.pack("/usr/bin/python3", "-c", script, ground.bundle)
        let scratch = "\(ground.path)/scratch"
        mkdir(scratch, 0o755)
        for name in ["b.tar", "b.tgz", "b.zip"] {
            let validation = try Validation(bundle: "\(ground.path)/\(name)", scratch: scratch)
            #expect(
                validation.diagnostics.map(\.message) == [
                    "ApplicationStart: the script scripts/ApplicationStart is not there"
                ], "\(name)")
            #expect(validation.diagnostics.first?.onAWS == "the deployment fails at ApplicationStart")
        }
        #expect(ground.names(scratch).isEmpty)
        try ground.write("no archive", "\(ground.path)/b.rar")
        #expect { try Validation(bundle: "\(ground.path)/b.rar", scratch: scratch) } throws: {
            ($0 as? ShipitError)?.code == .usage
        }
    }

    @Test func `an appspec of another name is judged when it is asked for, and appspec.yaml as AWS finds it`() throws {
        let ground = try Ground()
        try ground.makeBundle("one", events: [])
        rename("\(ground.bundle)/appspec.yml", "\(ground.bundle)/appspec.yaml")
        let usual = try Validation(directory: ground.bundle)
        #expect(usual.files == ["appspec.yaml"] && !usual.hasErrors)
        #expect(usual.diagnostics.map(\.message) == ["the usual name is appspec.yml; this one is read too"])
        rename("\(ground.bundle)/appspec.yaml", "\(ground.bundle)/deploy.yml")
        #expect(try Validation(directory: ground.bundle, appspec: "deploy.yml").diagnostics == [])
        let absent = try Validation(directory: ground.bundle, appspec: "other.yml")
        #expect(absent.diagnostics.map(\.description) == ["other.yml: there is no such file"])
    }

    @Test func `a script without a first line, an empty one and one in disguise are said`() throws {
        let appspec = """
            version: 0.0
            os: linux
            hooks:
              AfterInstall: [{location: plain}, {location: empty}, {location: marked}, {location: gone, runas: nobody-at-all}]
            """
        let said = try judge(
            ["appspec.yml": appspec, "plain": "echo", "empty": "", "marked": "\u{FEFF}#!/bin/sh\n"],
            executable: ["plain", "empty", "marked"])
        #expect(
            said == [
                "appspec.yml:4:29: warning: AfterInstall: the script plain does not begin with #!, so sh runs it",
                "appspec.yml:4:48: warning: AfterInstall: the script empty is empty, and does nothing",
                "appspec.yml:4:87: AfterInstall: the script gone is not there",
                "appspec.yml:4:87: warning: AfterInstall: the script gone runs as nobody-at-all, who is no user of this machine",
                "marked:1:1: the file begins with a byte order mark, so its first line names no interpreter",
            ])
    }

    @Test func `the list for people has columns, an empty line between files, and a count`() {
        let list = DiagnosticList(
            diagnostics: [
                Diagnostic(.warning, file: "appspec.yml", line: 4, column: 5, "a", onAWS: "b"),
                Diagnostic(.error, file: "appspec.yml", line: 12, column: 17, "c"),
                Diagnostic(.error, file: "run", "d"),
            ], terminal: Terminal())
        #expect(
            list.text == """
                appspec.yml:4:5    warning  a
                                            on AWS: b
                appspec.yml:12:17  error    c

                run  error    d
                """)
        #expect(list.verdict == "2 errors and 1 warning")
        #expect(DiagnosticList(diagnostics: [], terminal: Terminal()).verdict == "nothing is wrong")
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
