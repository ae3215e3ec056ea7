import Foundation
import Glibc
import Synchronization
import Testing

@testable import Shipit

/// A scratch world: a home, a bare repository with shipit's hook, a clone, and the targets of two environments.
///
/// Everything is real: git, SQLite, processes. Few worlds exist at a time, so that none waits long for a processor; what
/// one left running ends with it.
final class World: Sendable {
    let path: String
    private let place: Gate.Place

    var home: String { "\(path)/home" }
    var repository: String { "\(path)/blog.git" }
    var clone: String { "\(path)/clone" }
    var targets: String { "\(path)/targets" }
    var staging: String { "\(targets)/staging" }
    var production: String { "\(targets)/production" }

    /// The built programs lie beside the test bundle.
    static let programs: String = {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "/"
        return URL(filePath: own).deletingLastPathComponent().path
    }()

    /// `policy` is what stands in pipeline.yml below app, repository and `extra`; nil for no app at all.
    init(
        environments: String = World.twoEnvironments, extra: String = "",
        files: [String: String]? = ["index.html": "one\n"],
        app: Bool = true
    ) async throws {
        place = await Gate.worlds.enter()
        var name = Array(FileManager.default.temporaryDirectory.appending(path: "shipit-XXXXXX").path.utf8CString)
        path = try #require(mkdtemp(&name).map { String(cString: $0) })
        // Builds of a root-owned shipit run as somebody else, who must reach their workspace.
        chmod(path, 0o755)
        guard app else { return }
        try await must(shipit("init", repository, "--targets", targets))
        try setPolicy(environments: environments, extra: extra)
        try await git(in: path, "init", "-q", "-b", "main", clone)
        try await git("remote", "add", "origin", repository)
        if let files { try await commit(files, "first") }
    }

    deinit {
        for _ in 0..<100 {
            let left = survivors()
            if left.isEmpty { break }
            for pid in left { kill(pid, SIGKILL) }
            usleep(5000)
        }
        // What a test made unreadable or busy stays behind in the temporary folder.
        try? FileManager.default.removeItem(atPath: path)
        place.leave()
    }

    static let twoEnvironments = """
        environments:
          - name: staging
            targets: [@TARGETS@/staging]
          - name: production
            targets: [@TARGETS@/production]
        """

    func setPolicy(environments: String = World.twoEnvironments, extra: String = "", app: String = "blog") throws {
        let text = "app: \(app)\nrepository: \(repository)\n\(extra)\n\(environments)\n".replacing(
            "@TARGETS@", with: targets)
        try write(text, to: "\(home)/apps/\(app)/pipeline.yml", mode: 0o600)
    }

    // MARK: Files

    func write(_ text: String, to path: String, mode: Int = 0o644) throws {
        let url = URL(filePath: path)
        try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
        chmod(path, mode_t(mode))
    }

    /// Nil when there is no such file.
    func read(_ path: String) -> String? {
        FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
    }

    func names(in folder: String) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: folder))?.sorted() ?? []
    }

    func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    // MARK: Git

    @discardableResult
    func git(in folder: String? = nil, _ words: String...) async throws -> String {
        let result = await run(["/usr/bin/git"] + words, in: folder ?? clone)
        try #require(result.status == 0, "git \(words): \(result.stderr)")
        return result.stdout.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Commits these files; those that begin with `#!` are executable, and an empty text removes one.
    @discardableResult
    func commit(_ files: [String: String] = [:], _ message: String = "change") async throws -> String {
        for (name, text) in files {
            if text.isEmpty {
                unlink("\(clone)/\(name)")
            } else {
                try write(text, to: "\(clone)/\(name)", mode: text.hasPrefix("#!") ? 0o755 : 0o644)
            }
        }
        try await git("add", "-A")
        try await git("commit", "-q", "--allow-empty", "-m", message)
        return try await git("rev-parse", "HEAD")
    }

    /// What git said and its status, which is 0 whatever becomes of the run.
    @discardableResult
    func push(_ words: String..., environment: [String: String] = [:]) async -> Result {
        await run(
            ["/usr/bin/git", "push", "-q", "origin"] + (words.isEmpty ? ["main"] : words), in: clone,
            environment: environment)
    }

    /// Commits and pushes, and waits for the verdict as a pusher does.
    @discardableResult
    func ship(_ files: [String: String] = [:], _ message: String = "change") async throws -> (
        revision: String, result: Result
    ) {
        let revision = try await commit(files, message)
        return (revision, await push())
    }

    // MARK: shipit

    @discardableResult
    func shipit(_ words: String..., input: String = "", environment: [String: String] = [:], in folder: String? = nil)
        async -> Result
    {
        await run(["\(Self.programs)/shipit"] + words, in: folder ?? path, environment: environment, input: input)
    }

    @discardableResult
    func must(_ result: Result) throws -> Result {
        try #require(result.status == 0, "status \(result.status): \(result.stderr)")
        return result
    }

    /// The answer as JSON, however the command ended.
    func json(_ words: String...) async throws -> Any {
        let result = await run(["\(Self.programs)/shipit"] + words + ["--json"], in: path)
        return try JSONSerialization.jsonObject(with: Data(result.stdout.utf8), options: [.fragmentsAllowed])
    }

    func runs() async throws -> [[String: Any]] {
        try #require(try await json("runs", "-l", "1000") as? [[String: Any]])
    }

    func revisions(_ environment: String) async throws -> [[String: Any]] {
        try #require(try await json("revisions", environment) as? [[String: Any]])
    }

    /// The status of a run, by its number.
    func status(of run: Int) async throws -> String? {
        try await runs().first { $0["run"] as? Int == run }?["status"] as? String
    }

    /// The whole revision that the ledger calls live.
    func live(_ environment: String = "staging") async throws -> String? {
        let apps = (try await json("status") as? [String: Any])?["apps"] as? [[String: Any]]
        let environments = apps?.first?["environments"] as? [[String: Any]]
        let found = environments?.first { $0["name"] as? String == environment }
        return (found?["live"] as? [String: Any])?["revision"] as? String
    }

    /// What lies behind `current`.
    func current(_ target: String? = nil, _ file: String = "index.html") -> String? {
        read("\(target ?? staging)/current/\(file)")
    }

    func releases(_ target: String? = nil) -> [String] { names(in: "\(target ?? staging)/releases") }

    func log(_ run: Int, _ job: String = "staging") -> String { read("\(home)/runs/\(run)/\(job).log") ?? "" }

    func installation() throws -> Installation { try Installation.open(Home(home), person: "tester") }

    // MARK: Processes

    struct Result: Sendable {
        var status: Int32
        var stdout: String
        var stderr: String
        /// Both, as a person sees them.
        var text: String { stdout + stderr }
    }

    func run(
        _ words: [String], in folder: String, environment: [String: String] = [:], input: String = ""
    ) async -> Result {
        let child = start(words, in: folder, environment: environment, input: input)
        return await child.end()
    }

    func start(
        _ words: [String], in folder: String? = nil, environment: [String: String] = [:], input: String = ""
    ) -> Child {
        let variables = [
            "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": path, "SHIPIT_HOME": home, "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@example.org", "GIT_COMMITTER_NAME": "Ann",
            "GIT_COMMITTER_EMAIL": "ann@example.org", "LANG": "C.UTF-8", "TZ": "UTC",
        ].merging(environment) { $1 }
        return Child(words, in: folder ?? path, variables, input: input, scratch: path)
    }

    func startShipit(_ words: String..., environment: [String: String] = [:]) -> Child {
        start(["\(Self.programs)/shipit"] + words, environment: environment)
    }

    /// Processes that carry this world's path in their environment: its workers, builds and hook scripts.
    func survivors() -> [Int32] {
        let needle = Data(path.utf8)
        return names(in: "/proc").compactMap { Int32($0) }.filter { pid in
            guard pid != getpid(), let bytes = FileManager.default.contents(atPath: "/proc/\(pid)/environ") else {
                return false
            }
            return bytes.range(of: needle) != nil
        }
    }

    /// Waits until no worker of this world works any more.
    func settled() async throws {
        // Each look reads something of every process of the machine.
        try await eventually("the worker ends", every: .milliseconds(100)) { self.survivors().isEmpty }
    }
}

/// Waits for an event; the deadline only ends a test that would wait for ever.
func eventually(
    _ what: String, within limit: Duration = .seconds(60), every pause: Duration = .milliseconds(20),
    sourceLocation: SourceLocation = #_sourceLocation,
    _ isSo: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !isSo() {
        try #require(ContinuousClock.now < deadline, "\(what) within \(limit)", sourceLocation: sourceLocation)
        try await Task.sleep(for: pause)
    }
}

/// A process that a test started; its output goes to files, so nobody holds it up.
final class Child: Sendable {
    let pid: pid_t
    private let files: [String]

    init(_ words: [String], in folder: String, _ variables: [String: String], input: String, scratch: String) {
        let name = "\(scratch)/.child-\(UUID().uuidString)"
        files = ["\(name).in", "\(name).out", "\(name).err"]
        _ = FileManager.default.createFile(atPath: files[0], contents: Data(input.utf8))
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, files[0], O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, files[1], O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, files[2], O_WRONLY | O_CREAT | O_APPEND, 0o600)
        // posix_spawn knows no folder to start in; everything that we open is closed on exec.
        let all = ["/bin/sh", "-c", "cd \"$0\" && exec \"$@\"", folder] + words
        var arguments: [UnsafeMutablePointer<CChar>?] = all.map { strdup($0) } + [nil]
        var environment: [UnsafeMutablePointer<CChar>?] = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in arguments + environment { free(pointer) } }
        var pid = pid_t()
        let code = posix_spawn(&pid, "/bin/sh", &actions, nil, &arguments, &environment)
        self.pid = code == 0 ? pid : -1
    }

    var stdout: String { text(1) }
    var stderr: String { text(2) }

    private func text(_ index: Int) -> String {
        FileManager.default.contents(atPath: files[index]).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    func signal(_ number: Int32) { kill(pid, number) }

    /// Waits for the end; a signal counts as 128 and its number, as in a shell.
    func end() async -> World.Result {
        let pid = pid
        guard pid > 0 else { return World.Result(status: 127, stdout: "", stderr: "could not be started") }
        let status: Int32 = await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                var status: Int32 = 0
                while waitpid(pid, &status, 0) < 0, errno == EINTR {}
                continuation.resume(returning: status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F)
            }
        }
        defer { for file in files { unlink(file) } }
        return World.Result(status: status, stdout: stdout, stderr: stderr)
    }
}

/// Lets few in at a time.
final class Gate: Sendable {
    static let worlds = Gate(5)

    final class Place: Sendable {
        private let gate: Gate
        init(_ gate: Gate) { self.gate = gate }
        func leave() { gate.leave() }
    }

    private let state: Mutex<(free: Int, waiting: [CheckedContinuation<Void, Never>])>

    init(_ places: Int) { state = Mutex((places, [])) }

    func enter() async -> Place {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                if state.free > 0 {
                    state.free -= 1
                    return true
                }
                state.waiting.append(continuation)
                return false
            }
            if isFree { continuation.resume() }
        }
        return Place(self)
    }

    private func leave() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard state.waiting.isEmpty else { return state.waiting.removeFirst() }
            state.free += 1
            return nil
        }
        next?.resume()
    }
}
