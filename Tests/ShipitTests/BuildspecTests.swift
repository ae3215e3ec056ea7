import Testing

@testable import Shipit

private func complaints(_ yaml: String) -> [String] {
    do throws(Diagnostics) {
        return try Buildspec.parse(Array(yaml.utf8), file: "buildspec.yml").1.map(\.description)
    } catch {
        return error.all.map(\.description)
    }
}

@Suite struct BuildspecTests {
    @Test func `the whole of what is supported is read`() throws {
        let yaml = """
            version: 0.2
            env:
              variables:
                MODE: 0644
                FLAG: no
                EMPTY:
                URL: "http://x/?a=b"
            phases:
              install:
                commands: [make tools]
              pre_build:
                commands:
                  - echo pre
              build:
                commands:
                  - |
                    one
                    two
                finally: [echo fin]
              post_build:
                commands: []
            artifacts:
              files: ['./**/*', a?c]
              base-directory: ./dist//out/
              exclude-paths: ['**/*.map']
              discard-paths: yes
            """
        let (spec, warnings) = try Buildspec.parse(Array(yaml.utf8), file: "buildspec.yml")
        #expect(warnings.isEmpty)
        #expect(spec.variables == ["MODE": "0644", "FLAG": "no", "EMPTY": "", "URL": "http://x/?a=b"])
        #expect(spec.phases[.install]?.commands == ["make tools"])
        #expect(spec.phases[.build]?.commands == ["one\ntwo\n"])
        #expect(spec.phases[.build]?.finally == ["echo fin"])
        #expect(spec.phases[.postBuild]?.commands == [])
        let artifacts = try #require(spec.artifacts)
        #expect(artifacts.files.map(\.pattern) == ["**/*", "a?c"])
        #expect(artifacts.baseDirectory == "dist/out")
        #expect(artifacts.excludePaths.map(\.pattern) == ["**/*.map"])
        #expect(artifacts.discardPaths)
    }

    @Test(arguments: ["0.2", "'0.2'", "0.20"])
    func `version 0.2 may be written as people write it`(version: String) {
        #expect(complaints("version: \(version)\nphases: {build: {commands: [a]}}") == [])
    }

    @Test(arguments: [
        ("", "buildspec.yml:1:1: the file is empty, expected version: 0.2"),
        ("phases: {}", #"buildspec.yml:1:1: "version" is missing, expected version: 0.2"#),
        ("version: 0.1\nphases: {}", "buildspec.yml:1:10: version 0.1 is not supported yet, expected 0.2"),
        ("version: 0.2", #"buildspec.yml:1:1: "phases" is missing, expected phases with build: or others"#),
        ("version: 0.2\nphases: {build: {}}", "buildspec.yml:2:17: the phase build has no commands"),
        (
            "version: 0.2\nphases: {biuld: {commands: [a]}}",
            #"buildspec.yml:2:10: unknown key "biuld" in phases, did you mean "build"?"#
        ),
        (
            "version: 0.2\nphases: {build: {commands: make}}",
            #"buildspec.yml:2:28: commands wants a list, found "make""#
        ),
        (
            "version: 0.2\nphases: {build: {commands: [{a: b}]}}",
            "buildspec.yml:2:29: an entry of commands wants text, found a mapping"
        ),
        (
            "version: 0.2\nphases: {build: {commands: [a], on-failure: ABORT}}",
            #"buildspec.yml:2:33: "on-failure" is not supported yet"#
        ),
        ("version: 0.2\nphases: {}\nrun-as: x", #"buildspec.yml:3:1: "run-as" is not supported yet"#),
        ("version: 0.2\nphases: {}\nbatch: x", #"buildspec.yml:3:1: "batch" is not supported yet"#),
        ("version: 0.2\nphases: {}\nreports: x", #"buildspec.yml:3:1: "reports" is not supported yet"#),
        ("version: 0.2\nphases: {}\ncache: x", #"buildspec.yml:3:1: "cache" is not supported yet"#),
        ("version: 0.2\nphases: {}\nproxy: x", #"buildspec.yml:3:1: "proxy" is not supported yet"#),
        ("version: 0.2\nphases: {}\nenv: {shell: bash}", #"buildspec.yml:3:7: "shell" is not supported yet"#),
        (
            "version: 0.2\nphases: {}\nenv: {secrets-manager: {}}",
            #"buildspec.yml:3:7: "secrets-manager" is not supported yet"#
        ),
        (
            "version: 0.2\nphases: {}\nenv: {variables: {A-B: c}}",
            #"buildspec.yml:3:19: "A-B" is not the name of a variable, expected letters, digits and _"#
        ),
        ("version: 0.2\nphases: {}\nenv: {variables: {A: [c]}}", "buildspec.yml:3:22: the variable A wants text"),
        (
            "version: 0.2\nphases: {}\nartifacts: {}",
            "buildspec.yml:3:12: artifacts has no files, expected a list such as - '**/*'"
        ),
        (
            "version: 0.2\nphases: {}\nartifacts: {files: []}",
            "buildspec.yml:3:20: files wants at least one name or glob"
        ),
        (
            "version: 0.2\nphases: {}\nartifacts: {files: [a], base-directory: ../x}",
            #"buildspec.yml:3:41: base-directory wants a folder inside the source, found "../x""#
        ),
        (
            "version: 0.2\nphases: {}\nartifacts: {files: [a], base-directory: /x}",
            #"buildspec.yml:3:41: base-directory wants a folder inside the source, found "/x""#
        ),
        (
            "version: 0.2\nphases: {}\nartifacts: {files: [a], base-directory: 'd*'}",
            "buildspec.yml:3:41: a base-directory with * is not supported yet"
        ),
        (
            "version: 0.2\nphases: {}\nartifacts: {files: [a], discard-paths: maybe}",
            #"buildspec.yml:3:40: discard-paths wants yes or no, found "maybe""#
        ),
        (
            "version: 0.2\nphases: {}\nartifacts: {files: [a], secondary-artifacts: {}}",
            #"buildspec.yml:3:25: "secondary-artifacts" is not supported yet"#
        ),
    ])
    func `what is wrong is named with its place`(yaml: String, expected: String) {
        #expect(complaints(yaml).contains(expected), "\(complaints(yaml))")
    }
}

@Suite struct AppspecTests {
    private func complaints(_ yaml: String) -> [String] {
        do throws(Diagnostics) {
            return try Appspec.parse(Array(yaml.utf8), file: "appspec.yml").1.map(\.description)
        } catch {
            return error.all.map(\.description)
        }
    }

    @Test func `the whole of what is supported is read`() throws {
        let yaml = """
            version: 0.0
            os: linux
            files:
              - source: /
                destination: /
              - source: config/app.conf
                destination: /etc/app
            hooks:
              BeforeInstall:
                - location: scripts/before.sh
                  timeout: 300
                  runas: root
              ValidateService:
                - location: /scripts/validate.sh
              ApplicationStop:
            """
        let (appspec, warnings) = try Appspec.parse(Array(yaml.utf8), file: "appspec.yml")
        #expect(warnings.isEmpty)
        #expect(
            appspec.files == [
                Appspec.FileMapping(source: "", destination: ""),
                Appspec.FileMapping(source: "config/app.conf", destination: "etc/app"),
            ])
        #expect(!appspec.mapsEverything)
        let before = try #require(appspec.hooks[.beforeInstall]?.first)
        #expect(before.location == "scripts/before.sh" && before.timeout == 300 && before.runas == "root")
        let validate = try #require(appspec.hooks[.validateService]?.first)
        #expect(validate.location == "scripts/validate.sh" && validate.timeout == 3600 && validate.runas == nil)
        #expect(appspec.hooks[.applicationStop] == nil)
    }

    @Test func `keys that the agent ignores are warnings`() {
        #expect(
            complaints("version: 0.0\nos: linux\nfiles: [{source: /, destination: /, overwrite: yes}]\nextra: 1") == [
                #"appspec.yml:4:1: warning: unknown key "extra" in the appspec, expected one of version, os, files, hooks, file_exists_behavior"#,
                #"appspec.yml:3:37: warning: unknown key "overwrite" in an entry of files, expected one of source, destination"#,
            ])
        #expect(
            complaints("version: 0.0\nos: linux\nhooks: {BeforeBlockTraffic: [{location: a}]}") == [
                "appspec.yml:3:9: warning: BeforeBlockTraffic runs behind a load balancer only and is left out"
            ])
    }

    @Test(arguments: [
        ("", "appspec.yml:1:1: the file is empty, expected at least version and os"),
        ("os: linux", #"appspec.yml:1:1: "version" is missing, expected version: 0.0"#),
        ("version: 0.0", #"appspec.yml:1:1: "os" is missing, expected os: linux"#),
        ("version: 0.2\nos: linux", "appspec.yml:1:10: version 0.2 is not valid, expected 0.0"),
        ("version: 0.0\nos: linus", "appspec.yml:2:5: os linus is not supported, expected linux"),
        ("version: 0.0\nos: linux\npermissions: []", #"appspec.yml:3:1: "permissions" is not supported yet"#),
        ("version: 0.0\nos: linux\nfiles: [{source: a}]", "appspec.yml:3:9: an entry of files has no destination"),
        ("version: 0.0\nos: linux\nfiles: [{destination: a}]", "appspec.yml:3:9: an entry of files has no source"),
        (
            "version: 0.0\nos: linux\nfiles: [{source: ../a, destination: /}]",
            #"appspec.yml:3:18: source must not climb with .., found "../a""#
        ),
        (
            "version: 0.0\nos: linux\nfiles: [{source: a, destination: /x/../../etc}]",
            #"appspec.yml:3:34: destination must not climb with .., found "/x/../../etc""#
        ),
        (
            "version: 0.0\nos: linux\nhooks: {ApplicationStrat: [{location: a}]}",
            "appspec.yml:3:9: unknown lifecycle event ApplicationStrat, did you mean ApplicationStart?"
        ),
        (
            "version: 0.0\nos: linux\nhooks: {AfterInstall: [{}]}",
            "appspec.yml:3:24: a script of AfterInstall has no location"
        ),
        (
            "version: 0.0\nos: linux\nhooks: {AfterInstall: {location: a}}",
            "appspec.yml:3:23: AfterInstall wants a list, found a mapping"
        ),
        (
            "version: 0.0\nos: linux\nhooks: {AfterInstall: [{location: ../../bin/sh}]}",
            #"appspec.yml:3:35: location must not climb with .., found "../../bin/sh""#
        ),
        (
            "version: 0.0\nos: linux\nhooks: {AfterInstall: [{location: a, timeout: 0}]}",
            #"appspec.yml:3:47: timeout wants a number from 1 to 86400, found "0""#
        ),
        (
            "version: 0.0\nos: linux\nhooks: {AfterInstall: [{location: a, sudo: yes}]}",
            #"appspec.yml:3:38: "sudo" is not supported yet"#
        ),
    ])
    func `what is wrong is named with its place`(yaml: String, expected: String) {
        #expect(complaints(yaml).contains(expected), "\(complaints(yaml))")
    }

    @Test func `the server's scripts have the events' names in lower case`() {
        #expect(
            LifecycleEvent.allCases.map(\.fileName) == [
                "application-stop", "before-install", "after-install", "application-start", "validate-service",
            ])
    }
}
