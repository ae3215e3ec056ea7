import Testing

@testable import Shipit

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
                #"appspec.yml:3:37: warning: "overwrite" has no effect; file_exists_behavior: OVERWRITE at the top does it for all files"#,
                #"appspec.yml:4:1: warning: unknown key "extra" in the appspec, expected one of version, os, files, file_exists_behavior, permissions, hooks"#,
            ])
        #expect(
            complaints("version: 0.0\nos: linux\nhooks: {Install: [{location: a}]}") == [
                "appspec.yml:3:9: warning: scripts at Install are never run, as that is the deployment's own part"
            ])
    }

    @Test(arguments: [
        ("", "appspec.yml:1:1: the file is empty, expected at least version and os"),
        ("os: linux", #"appspec.yml:1:1: "version" is missing, expected version: 0.0"#),
        ("version: 0.0", #"appspec.yml:1:1: "os" is missing, expected os: linux"#),
        ("version: 0.2\nos: linux", "appspec.yml:1:10: version 0.2 is not valid, expected 0.0"),
        ("version: 0.0\nos: linus", "appspec.yml:2:5: os linus is not supported, expected linux"),
        ("version: \"0.0\"\nos: linux", #"appspec.yml:1:10: version "0.0" is not valid, expected 0.0"#),
        ("version: 0.0\nos: Linux", "appspec.yml:2:5: os Linux is not supported, expected linux"),
        ("version: 0.0\nos: [linux]", "appspec.yml:2:5: os wants text, found a list"),
        (
            "version: 0.0\nos: linux\nfile_exists_behavior: overwrite",
            #"appspec.yml:3:23: file_exists_behavior wants DISALLOW or OVERWRITE or RETAIN, found "overwrite"; did you mean OVERWRITE?"#
        ),
        (
            "version: 0.0\nos: linux\nfiles: [{source: a, destination: ~/app}]",
            #"appspec.yml:3:34: destination is not expanded, so "~/app" would be a folder named ~; write the whole path"#
        ),
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
            "appspec.yml:3:23: AfterInstall wants a list, found a mapping; write - before each location"
        ),
        (
            "version: 0.0\nos: linux\nhooks: {AfterInstall: [{location: ../../bin/sh}]}",
            #"appspec.yml:3:35: location must not climb with .., found "../../bin/sh""#
        ),
        (
            "version: 0.0\nos: linux\nhooks: {AfterInstall: [{location: a, timeout: 0}]}",
            #"appspec.yml:3:47: timeout wants a number of seconds above 0, found "0""#
        ),
        (
            "version: 0.0\nos: linux\nhooks: {AfterInstall: [{location: a, timeout: soon}]}",
            #"appspec.yml:3:47: timeout wants a number of seconds above 0, found "soon""#
        ),
    ])
    func `what is wrong is named with its place`(yaml: String, expected: String) {
        #expect(complaints(yaml).contains(expected), "\(complaints(yaml))")
    }

    @Test(arguments: [
        ("300", 300), ("\"300\"", 300), ("30s", 30), ("'20'", 20), ("10.9", 10), ("010", 8), ("0300", 192), ("08", 8),
        ("\"010\"", 10), ("5m", 5), ("10:00", 600), ("1:00:00", 3600), ("1_000", 1000), ("1,000", 1000), ("0x10", 16),
        ("~", 3600),
        ("", 3600), ("no", 3600), ("+7", 7),
    ])
    func `a timeout is what Ruby makes of it`(text: String, seconds: Int) throws {
        let yaml = "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: a\n      timeout: \(text)\n"
        let appspec = try Appspec.parse(Array(yaml.utf8), file: "appspec.yml").0
        #expect(appspec.hooks[.afterInstall]?.first?.timeout == seconds)
    }

    @Test(arguments: [
        ("yes", true), ("true", true), ("no", false), ("off", false), ("~", false), ("'false'", true), ("1", true),
    ])
    func `sudo is everything but no`(text: String, sudo: Bool) throws {
        let yaml = "version: 0.0\nos: linux\nhooks: {AfterInstall: [{location: a, sudo: \(text)}]}"
        let appspec = try Appspec.parse(Array(yaml.utf8), file: "appspec.yml").0
        #expect(appspec.hooks[.afterInstall]?.first?.sudo == sudo)
    }

    @Test(arguments: [
        ("0", true), ("0.0", true), ("0.00", true), (".0", true), ("0.", true), ("-0.0", true), ("'0'", false),
        ("0.0.0", false),
        ("1", false), ("", false), ("[0.0]", false), ("zero", false),
    ])
    func `a version is the number nought`(text: String, isRead: Bool) {
        let yaml = "version: \(text)\nos: linux\n"
        #expect(((try? Appspec.parse(Array(yaml.utf8), file: "appspec.yml")) != nil) == isRead)  // nil is a refusal
    }

    @Test func `a path may climb inside, and is kept without`() throws {
        let yaml = "version: 0.0\nos: linux\nfiles: [{source: ./a/../b//c/, destination: /srv/./x/../y/}]"
        let appspec = try Appspec.parse(Array(yaml.utf8), file: "appspec.yml").0
        #expect(appspec.files == [Appspec.FileMapping(source: "b/c", destination: "srv/y")])
    }

    @Test func `the server's scripts have the events' names in lower case`() {
        #expect(
            LifecycleEvent.ofDeployment.map(\.fileName) == [
                "application-stop", "before-install", "after-install", "application-start", "validate-service",
            ])
    }
}
