import Testing

@testable import Shipit

@Suite struct TriggerTests {
    @Test func `of many new branches in one push each is compared with fewer others`() {
        #expect([0, 1, 4, 5, 200, 5000].map(PushDecision.comparisons(forEachOf:)) == [64, 64, 64, 51, 1, 1])
    }

    @Test(
        arguments: [
            ("[ab]", "a", true), ("[ab]", "c", false), ("[!ab]", "c", true), ("[!ab]", "a", false),
            ("[!ab]", "/", false),
            ("[a-c]x", "bx", true), ("[a-c]x", "dx", false), ("[]a]", "]", true), ("[a-]", "-", true),
            ("[\\]]", "]", true), ("v[0-9]*", "v1.2", true), ("v[0-9]*", "vx", false), ("{a,b}/x", "b/x", true),
            ("{a,b}/x", "c/x", false), ("{a,}x", "x", true), ("{a,b}{1,2}", "b1", true), ("{a*,b}", "axx", true),
            ("{**/x,y}", "a/b/x", true), ("\\*", "*", true), ("\\*", "x", false), ("\\{a\\}", "{a}", true),
            ("src/**", "src/a/b", true), ("src/**", "srcs/a", false), ("src/*", "src/a/b", false),
            ("**/*.md", "README.md", true), ("a?c", "abc", true), ("[", "x", nil), ("{a", "x", nil),
            ("{a,{b}}", "x", nil),
            ("a\\", "x", nil), ("[z-a]", "x", nil), ("[ä]", "ä", nil), ("{ä,ö}", "ö", true),
            (String(repeating: "{a,b}", count: 7), "x", nil), ("}", "}", true), ("]", "]", true),
        ] as [(String, String, Bool?)])
    func `a filter's pattern matches as CodePipeline's do`(pattern: String, name: String, isMatch: Bool?) {
        // What is no pattern has no answer.
        #expect((try? Glob(filter: pattern))?.matches(name) == isMatch)
    }

    @Test func `random patterns never trap, and take no more time than their length`() throws {
        var random = Seeded(seed: 7)
        let alphabet = Array("ab/*?[]!-{},\\".utf8)
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0...12, using: &random)).map { _ in
                alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
            }
            let glob = try? Glob(filter: String(decoding: bytes, as: UTF8.self))  // most are none
            _ = glob?.matches("ab/ba")
        }
        let hard = try Glob(filter: String(repeating: "*a", count: 120))
        #expect(!hard.matches(String(repeating: "a", count: 4000) + "b"))
    }

    @Test func `exclude wins, and alone means everything else`() {
        let all = Trigger(.branches, Trigger.Filter([], exclude: [Glob("tmp/*")]))
        #expect(all.names(Array("refs/heads/main".utf8)) && !all.names(Array("refs/heads/tmp/x".utf8)))
        #expect(!all.names(Array("refs/tags/main".utf8)))
        let both = Trigger.Filter([Glob("rel/*")], exclude: [Glob("rel/old")])
        #expect(both.matches(Array("rel/new".utf8)) && !both.matches(Array("rel/old".utf8)))
        #expect(!both.matches(Array("main".utf8)))
    }

    private func policy(_ extra: String, production: String = "") throws -> Pipeline {
        let yaml = """
            app: blog
            repository: /r.git
            \(extra)
            environments:
              - name: staging
                targets: [/a]
              - name: preview
                targets: [/b]
              - name: production
                targets: [/c]
            \(production)
            """
        return try Pipeline.parse(Array(yaml.utf8), file: "pipeline.yml").pipeline
    }

    @Test func `an environment that a trigger leads to is no step on the way of the others, unless it says so`() throws
    {
        let pipeline = try policy("triggers: [{branches: [main]}, {branches: ['**'], to: preview}]")
        #expect(pipeline.chain.map(\.name) == ["staging", "production"])
        #expect(pipeline.after("staging")?.name == "production" && pipeline.before("production")?.name == "staging")
        #expect(pipeline.before("preview") == nil && pipeline.after("preview") == nil)
        let said = try policy(
            "triggers: [{tags: ['v*'], to: production}, {tags: ['x*'], to: staging}]",
            production: "    promotion: manual")
        #expect(said.chain.map(\.name) == ["staging", "preview", "production"])
        #expect(try policy("").chain.count == 3)
    }

    @Test(
        arguments: [
            (nil, "production", false, nil, "production", ["preview", "production"]),
            (nil, "staging", false, nil, nil, []),
            (nil, nil, true, nil, "preview", ["preview"]),
            ("preview", nil, true, "preview", "production", ["production"]),
            ("preview", "staging", false, nil, nil, []), ("preview", "preview", false, "preview", nil, []),
            ("staging", nil, false, nil, nil, []), (nil, "side", false, "side", nil, []),
            ("production", nil, true, "", nil, []),
            (nil, "prod", false, "", nil, []), ("side", nil, true, "", nil, []),
        ] as [(String?, String?, Bool, String?, String?, [String])])
    func `a run goes where its trigger and its pusher say`(
        entry: String?, to: String?, promotes: Bool, finalEntry: String?, goal: String?, promotions: [String]
    ) throws {
        let pipeline = try policy("", production: "  - {name: side, targets: [/d], promotion: none}")
        guard finalEntry != "" else {
            #expect(throws: ShipitError.self) {
                try Course(pipeline, entry: entry, to: to, promotes: promotes, reason: nil, variables: [:])
            }
            return
        }
        let course = try Course(pipeline, entry: entry, to: to, promotes: promotes, reason: nil, variables: [:])
        #expect(course.entry == finalEntry && course.goal == goal)
        #expect(course.promotions(pipeline) == promotions)
    }
}

@Suite struct PushOptionsTests {
    private func options(_ words: String..., foreign: [String] = []) throws -> PushOptions {
        PushOptions(words.map { Array($0.utf8) }, foreign: try foreign.map { try Glob(filter: $0) })
    }

    @Test func `all options are read`() throws {
        let given = try options("wait", "to=production", "reason=a fix, at last", "var=A=b=c", "var=B=")
        #expect(given.problem == nil && given.waits && given.to == "production" && given.reason == "a fix, at last")
        #expect(given.variables == ["A": "b=c", "B": ""])
        #expect(try options("skip=only words").skipReason == "only words")
        #expect(try options("promote", "promote", "detach").problem == nil)
        #expect(try options("ci.skip", "ci.variable=A=B/C", foreign: ["ci.*"]).problem == nil)
        #expect(try options("wait", foreign: ["*"]).waits)
    }

    @Test(arguments: [
        (["tp=production"], "unknown option tp=production, did you mean to?"),
        (["Wait"], "unknown option Wait, did you mean wait?"),
        (["merge_request.create"], "unknown option merge_request.create, expected one of wait, detach, skip, to,"),
        (["wait", "detach"], "the options wait and detach contradict each other"),
        (["to"], "the option to wants a value: to=ENVIRONMENT"), (["to="], "the option to wants a value"),
        (["to=a", "to=b"], "the option to is given twice, as a and b"),
        (["promote=production"], "the option promote takes no value; to=ENVIRONMENT names one"),
        (["promote", "to=a"], "the options promote and to= both say how far the run goes"),
        (["skip", "to=a"], "the option skip ships nothing, and contradicts the others"),
        (["reason="], "the option reason wants a value: reason=TEXT"), (["var=A"], "var wants NAME=VALUE, found \"A\""),
        (["var"], "var wants NAME=VALUE"), (["var=A=1", "var=A=2"], "the variable A is given twice"),
        (["var=PATH=/x"], "the variable PATH belongs to the machine or to shipit"),
        (["var=LD_PRELOAD=/x"], "the variable LD_PRELOAD belongs"), (["var=SHIPIT_RUN=1"], "SHIPIT_RUN belongs"),
        (["var=1A=x"], "var wants NAME=VALUE"), (["\u{1B}[31m"], "unknown option ^[[31m"), ([""], "unknown option"),
        (Array(repeating: "wait", count: 64), "there are more than 63 options"),
        (["reason=" + String(repeating: "x", count: 4096)], "an option is too long"),
    ])
    func `what is wrong with options is named`(words: [String], problem: String) {
        let given = PushOptions(words.map { Array($0.utf8) }, foreign: [])
        #expect(given.problem?.contains(problem) == true, "\(given.problem ?? "nothing")")
    }

    @Test func `the command that is proposed says what was understood and what was probably meant`() throws {
        let given = try options("tp=production", "reason=it's time", "var=A=b c")
        #expect(
            given.command("main", goal: nil, app: "blog")
                == #"shipit start main --app blog --to production --reason 'it'\''s time' --var 'A=b c'"#)
        #expect(PushOptions([[0xFF]], foreign: []).problem?.contains("is not UTF-8") == true)
    }
}

@Suite struct AllowanceTests {
    private func allow(_ text: String) throws -> Allowance {
        try Pipeline.parse(Array((smallPipeline + "allow: \(text)").utf8), file: "pipeline.yml").pipeline.allow
    }

    @Test func `what is not mentioned may be done by everybody, but an emergency by nobody`() throws {
        let allow = try allow("{promote: [ann], hold: {staging: [ben]}}")
        #expect(allow.permits(.promote, in: "staging", person: "ann"))
        #expect(allow.permits(.promote, in: nil, person: "ann (sudo)"))
        #expect(allow.permits(.promote, in: nil, person: "ann (GL_USERNAME)"))
        #expect(!allow.permits(.promote, in: "staging", person: "annabel"))
        #expect(
            allow.permits(.start, in: nil, person: "eve") && !allow.permits(.emergency, in: "staging", person: "ann"))
        #expect(
            allow.permits(.hold, in: "staging", person: "ben") && !allow.permits(.hold, in: "staging", person: "ann"))
        #expect(allow.permits(.hold, in: "production", person: "eve"))
        #expect(try self.allow("{start: ['*'], skip: []}").permits(.start, in: nil, person: "anybody"))
        #expect(try !self.allow("{start: ['*'], skip: []}").permits(.skip, in: nil, person: "anybody"))
        #expect(
            throws: ShipitError(
                .unavailable, "eve may not promote to staging", hint: "ann may, says allow: in pipeline.yml")
        ) {
            try allow.check(.promote, in: "staging", person: "eve")
        }
    }

    @Test func `a group of this machine holds its accounts, and nobody whom a forge names`() throws {
        let allow = try allow("{promote: ['@root', '@no-such-group']}")
        #expect(
            allow.permits(.promote, in: nil, person: "root") && allow.permits(.promote, in: nil, person: "root (sudo)"))
        #expect(!allow.permits(.promote, in: nil, person: "root (GL_USERNAME)"))
        #expect(!allow.permits(.promote, in: nil, person: "nobody"))
    }

    @Test(arguments: [
        ("ann", "ann", true), ("ann (sudo)", "ann", true), ("ann (GL_USERNAME)", "ann", false),
        ("eve (sudo) (GL_USERNAME)", "eve (sudo)", false), ("(x)", "(x)", true), ("a(b)", "a(b)", true), ("", "", true),
    ])
    func `a person is known by name and by how shipit knows`(by: String, name: String, isAccount: Bool) {
        #expect(Person(by: by).name == name && Person(by: by).isAccount == isAccount)
    }
}
