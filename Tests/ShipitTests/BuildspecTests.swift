import GitKit
import Testing

@testable import Shipit

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
}
