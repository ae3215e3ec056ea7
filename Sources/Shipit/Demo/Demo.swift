/// The whole thing at work on a small web application, as a person at a terminal would see it: each step checked.
public struct Demo: Sendable {
    /// Absolute paths of shipit itself and of the folder to play in.
    let program: String
    let folder: String
    let show: @Sendable (DemoLine) -> Void

    public init(program: String, folder: String, show: @escaping @Sendable (DemoLine) -> Void) {
        self.program = program
        self.folder = folder
        self.show = show
    }

    /// Plays it through; what ran along is ended and the folder removed, unless it is to be kept or a step went wrong.
    public func run(keep: Bool) async throws {
        try DemoFolder(folder).make()
        let stage = DemoStage(program: program, folder: folder, show: show)
        let began = ContinuousClock.now
        let result = await Task.catching { try await story(on: stage) }
        let goesOn = if case .success = result { keep } else { false }
        if !goesOn {
            try await uncancelled { try await DemoFolder(folder).endProcesses(servedFrom: stage.home) }
        }
        switch result {
        case .success:
            summary(stage, took: ContinuousClock.now - began)
            if keep { farewell(stage) } else { try DemoFolder(folder).remove() }
        case .failure(is CancellationError):
            try DemoFolder(folder).remove()
            throw CancellationError()
        case .failure(let error):
            throw ShipitError(
                .failure, "the demo went wrong at \"\(stage.step)\": \(error)", hint: "everything is still in \(folder)"
            )
        }
    }

    // MARK: The story

    private func story(on stage: DemoStage) async throws {
        try await begin(stage)
        let first = try await pushTheFirst(stage)
        try await promote(first, stage)
        try await pushTheBad(after: first, stage)
        let third = try await pushTheGood(stage)
        try await rollBack(from: third, to: first, stage)
    }

    private func begin(_ stage: DemoStage) async throws {
        stage.begin("An app is a repository and the places that it ships to")
        stage.why("All of this happens in a scratch folder, which is called ~ here: \(folder)")
        stage.why("init makes the repository, a policy with two environments, and the hook that notices pushes.")
        try await stage.shell("shipit init ~/blog.git --template demo --targets ~/live")
        stage.why("Each environment has variables of its own: here the port that its server listens on.")
        for environment in stage.environments {
            try await stage.shell("shipit env set \(environment) PORT=\(stage.port(environment))")
        }
    }

    private func pushTheFirst(_ stage: DemoStage) async throws -> String {
        stage.begin("A push is built once, and goes live on staging")
        stage.why("The little web application says how it is built (buildspec.yml) and installed (appspec.yml).")
        try await stage.shell("git clone --quiet ~/blog.git ~/blog")
        stage.enter("blog")
        try await stage.shell("shipit template demo .")
        let revision = try await push("A first page", stage)
        try await stage.check(revision, isLiveIn: "staging")
        return revision
    }

    private func promote(_ revision: String, _ stage: DemoStage) async throws {
        stage.begin("A person takes it to production")
        stage.why("First a look at what would change; nothing is touched.")
        try await stage.shell("shipit plan", says: revision.abbreviated)
        stage.why("Then the same bytes that staging verified go to production.")
        try await stage.shell("shipit promote")
        try await stage.check(revision, isLiveIn: "production")
        stage.saw("the same artifact went live on staging and, after a look at the plan, in production")
    }

    private func pushTheBad(after good: String, _ stage: DemoStage) async throws {
        stage.begin("A push that does not work hurts nobody")
        stage.why("The heading gets lost. It still builds, but ValidateService, run on staging, will say no.")
        try await stage.shell("echo > heading.txt")
        let bad = try await push("Lose the heading", stage, mustFail: true)
        stage.why("The release that was live before was put back by itself, and its server started again:")
        try await stage.check(good, isLiveIn: "staging")
        stage.saw("\(bad.abbreviated) failed its check and was taken back; staging went on with \(good.abbreviated)")
    }

    private func pushTheGood(_ stage: DemoStage) async throws -> String {
        stage.begin("The next push is fine again")
        try await stage.shell("echo 'Hello again' > heading.txt")
        let revision = try await push("Find the heading again", stage)
        try await stage.check(revision, isLiveIn: "staging")
        try await stage.shell("shipit promote")
        try await stage.check(revision, isLiveIn: "production")
        return revision
    }

    private func rollBack(from bad: String, to good: String, _ stage: DemoStage) async throws {
        stage.begin("And back, at three in the morning")
        stage.why("The earlier release is still there: nothing is built, fetched or installed.")
        try await stage.shell("shipit rollback production --reason 'the old one was nicer'")
        try await stage.check(good, isLiveIn: "production")
        stage.saw("production went from \(bad.abbreviated) back to \(good.abbreviated) without a build")
        stage.why("What was deployed where, newest first:")
        try await stage.shell("shipit revisions", says: "production")
    }

    private func push(_ subject: String, _ stage: DemoStage, mustFail: Bool = false) async throws -> String {
        try await stage.shell("git add --all && git commit --quiet --message '\(subject)'")
        let revision = try await stage.head()
        stage.why(mustFail ? "The push is fine; what becomes of it is not." : "The pusher sees what becomes of it.")
        let verdict = mustFail ? "stays at" : "staging is live at \(revision.abbreviated)"
        try await stage.shell("git push origin main", says: verdict)
        return revision
    }

    // MARK: The end

    private func summary(_ stage: DemoStage, took time: Duration) {
        show(.heading("What you saw, in \(time.spoken)"))
        for line in stage.seen { show(.seen(line)) }
    }

    private func farewell(_ stage: DemoStage) {
        show(.heading("Yours to play with"))
        for environment in stage.environments {
            show(.seen("\(environment): http://127.0.0.1:\(stage.port(environment))/"))
        }
        show(.why("To go on, in a shell of yours; shipit is \(program):"))
        show(.command("export SHIPIT_HOME=\(stage.home)"))
        show(.command("cd \(folder)/blog"))
        show(.command("echo 'Hello from me' > heading.txt"))
        show(.command("git commit -am Mine && git push origin main"))
        show(.why("To stop the servers and remove everything:"))
        show(.command("kill $(cat \(folder)/live/*/run/server.pid); rm -rf \(folder)"))
    }
}

/// A line of the demo, by what it is; whoever shows it decides how it looks.
public enum DemoLine: Hashable, Sendable {
    case heading(String)
    /// A sentence on what comes and why.
    case why(String)
    case command(String)
    case output(String)
    /// Something that was checked and found true.
    case seen(String)
}

extension String {
    /// A whole revision as people read it.
    var abbreviated: String { String(prefix(7)) }
}

extension Task where Success == Never, Failure == Never {
    /// What the work gave or threw, as a value, so that something can be done in between.
    fileprivate static func catching<Value>(_ work: () async throws -> Value) async -> Result<Value, any Error> {
        do { return .success(try await work()) } catch { return .failure(error) }
    }
}
