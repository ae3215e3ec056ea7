import GitKit
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

    @Test(arguments: [
        ("node_modules/**/*", CachePath.Place.source, "node_modules"), ("./a//b/", .source, "a/b"),
        ("/root/.m2/**/*", .home, ".m2"), ("~/.cache/**", .home, ".cache"), ("$HOME/.npm", .home, ".npm"),
        ("/root/**/*", .home, "*"), ("${CODEBUILD_SRC_DIR}/x/*", .source, "x/*"), ("**/*.o", .source, "**/*.o"),
    ])
    func `a cache path is in the source or in the home`(written: String, place: CachePath.Place, pattern: String)
        throws
    {
        let path = try CachePath(written)
        #expect(path.place == place && path.pattern.pattern == pattern)
    }

    @Test func `a key is made from text, variables and the ids of files`() throws {
        let id = try #require(ObjectID(String(repeating: "1", count: 40)))
        let other = try #require(ObjectID(String(repeating: "2", count: 40)))
        func entries(_ files: [String: ObjectID]) -> [TreeEntry] {
            files.map { TreeEntry(path: Array($0.key.utf8), kind: .file, id: $0.value) }
        }
        func text(_ key: String, _ files: [String: ObjectID]) throws -> String {
            try CacheKey(key).text(entries(files), ["A": "a"]) { _ in }
        }
        #expect(try text("k-$A-${A}b-$B.", [:]) == "k-a-ab-.")
        let hash = "n-$(codebuild-hash-files './a.lock' \"sub/**/*.lock\")"
        let one = try text(hash, ["a.lock": id, "other": id])
        #expect(one.hasPrefix("n-") && one.count == 66)
        #expect(try text(hash, ["a.lock": id, "other": other]) == one)
        #expect(try text(hash, ["a.lock": other]) != one)
        #expect(try text(hash, ["a.lock": id, "sub/x/b.lock": id]) != one)
        var missing: [String] = []
        _ = try CacheKey(hash).text([], [:]) { missing.append($0.pattern) }
        #expect(missing == ["a.lock", "sub/**/*.lock"])
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
        ("version: 0.2\nphases: {}\ncache: x", #"buildspec.yml:3:8: cache wants a mapping (key: value), found "x""#),
        (
            "version: 0.2\nphases: {}\ncache: {}",
            "buildspec.yml:3:8: cache has no paths, expected a list such as - 'node_modules/**/*'"
        ),
        (
            "version: 0.2\nphases: {}\ncache: {paths: []}",
            "buildspec.yml:3:16: paths wants at least one file, folder or glob"
        ),
        (
            "version: 0.2\nphases: {}\ncache: {paths: [../x]}",
            #"buildspec.yml:3:17: the cache path "../x" must not climb with .."#
        ),
        (
            "version: 0.2\nphases: {}\ncache: {paths: [/root/../etc]}",
            #"buildspec.yml:3:17: the cache path "/root/../etc" must not climb with .."#
        ),
        (
            "version: 0.2\nphases: {}\ncache: {paths: ['./**/*']}",
            #"buildspec.yml:3:17: the cache path "./**/*" is the whole source; build: { workspace: patched } in pipeline.yml keeps that"#
        ),
        (
            "version: 0.2\nphases: {}\ncache: {paths: [/go/pkg]}",
            #"buildspec.yml:3:17: warning: the cache path "/go/pkg" is neither in the source nor in the build's home (/root, ~): left out"#
        ),
        (
            "version: 0.2\nphases: {}\ncache: {paths: [a], path: b}",
            #"buildspec.yml:3:21: unknown key "path" in cache, did you mean "paths"?"#
        ),
        (
            "version: 0.2\nphases: {}\ncache: {paths: [a], key: '$(date)'}",
            #"buildspec.yml:3:26: key wants text, $NAME and $(codebuild-hash-files FILE), found "$(date)""#
        ),
        (
            "version: 0.2\nphases: {}\ncache: {paths: [a], key: '$(codebuild-hash-files a; id)'}",
            #"buildspec.yml:3:26: key wants text, $NAME and $(codebuild-hash-files FILE), found "$(codebuild-hash-files a; id)""#
        ),
        (
            "version: 0.2\nphases: {}\ncache: {paths: [a], key: k, fallback-keys: [1, 2, 3, 4, 5, 6]}",
            "buildspec.yml:3:44: fallback-keys has 6 entries, at most 5 are tried"
        ),
        (
            "version: 0.2\nphases: {}\ncache: {paths: [a], fallback-keys: [b]}",
            "buildspec.yml:3:36: warning: fallback-keys are left out, since there is no key"
        ),
        (
            "version: 0.2\nphases: {}\ncache: {paths: [a], action: restor}",
            #"buildspec.yml:3:29: action wants restore or save, found "restor"; did you mean restore?"#
        ),
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
