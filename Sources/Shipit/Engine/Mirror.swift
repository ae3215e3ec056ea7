import CLinux
import GitKit
import Glibc

/// The copy of a repository elsewhere, which an app's revisions are read from; git itself does the transport.
///
/// Nobody pushes to it. What shipit keeps in it under `refs/shipit/` stays here: nothing is ever sent back.
struct Mirror: Sendable {
    let home: Home
    let app: String
    let remote: RemoteRepository

    var path: String { home.mirror(app) }

    /// The first time everything comes.
    static let firstLimit: Duration = .seconds(3600)
    static let limit: Duration = .seconds(600)

    var exists: Bool { FileSystem.exists("\(path)/HEAD") }

    /// Brings every branch and tag to what it is there now, made first if it is missing.
    func fetch() async throws {
        try home.prepareMirrors()
        let lock = try FileLock(home.mirrorLock(app), busy: "\(remote.url) is being fetched already")
        defer { withExtendedLifetime(lock) {} }
        if !exists { try await make() }
        await onThread { clearUp() }
        let isFirst = await onThread { branches.isEmpty }
        let limit = isFirst ? Self.firstLimit : Self.limit
        let (exit, text) = try await Program.output(of: command, within: limit, limit: 64 << 10)
        try Task.checkCancellation()
        guard exit.isSuccess else { throw failure(exit, text, limit) }
        if isFirst { await followHead() }
    }

    /// The default branch there is the one here: `start` and a new branch's paths go by it.
    private func followHead() async {
        do {
            let (exit, text) = try await Program.output(
                of: git(["ls-remote", "--quiet", "--symref", remote.url, "HEAD"]), within: .seconds(60))
            let line = text.split(whereSeparator: \.isNewline).first { $0.hasPrefix("ref: refs/heads/") }
            guard exit.isSuccess, let name = line?.dropFirst("ref: ".count).prefix(while: { $0 != "\t" }),
                await onThread({ branches.contains(String(name)) })
            else { return }
            _ = try await Program.output(of: git(["symbolic-ref", "HEAD", String(name)]))
        } catch {
            // What was fetched ships all the same.
        }
    }

    /// Aside and renamed, so that it is whole when it is there.
    private func make() async throws {
        let new = "\(home.mirrors)/.new-\(app)"
        Workspaces.remove(new)
        let command = Command(
            "/usr/bin/git", ["init", "--quiet", "--bare", "--initial-branch=main", "--template=", "--", new],
            environment: Git.environment)
        let (exit, text) = try await Program.output(of: command)
        guard exit.isSuccess else {
            throw ShipitError(.failure, "could not make the mirror \(path): \(visibleLine(text))")
        }
        for (key, value) in [("core.fsync", "all"), ("uploadpack.hideRefs", "refs/shipit/keep")] {
            let (exit, text) = try await Program.output(of: Git.command(["config", "--local", key, value], in: new))
            guard exit.isSuccess else {
                throw ShipitError(.failure, "could not set \(key) in \(path): \(visibleLine(text))")
            }
        }
        // What lay there was no repository.
        Workspaces.remove(path)
        guard rename(new, path) == 0 else {
            throw ShipitError(.failure, "could not make the mirror \(path): \(systemReason(errno))")
        }
        try FileSystem.syncFolder(of: path)
    }

    var command: Command {
        git([
            "fetch", "--quiet", "--prune", "--force", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules",
            remote.url, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*",
        ])
    }

    /// Environment from nothing, but with the home of whoever we are: ssh finds its keys and known hosts there, and git
    /// its credential store and proxies. Neither can ask anybody: there is no terminal.
    private func git(_ arguments: [String]) -> Command {
        var environment = Command.plainEnvironment.merging(RemoteRepository.allowedProtocols) { $1 }
        environment["HOME"] = User.named(by: geteuid())?.home ?? "/"
        environment["GIT_CONFIG_NOSYSTEM"] = "1"
        environment["GIT_TERMINAL_PROMPT"] = "0"
        let settings = [
            // A half-fetched pack must not survive a power cut as if it were whole.
            "core.fsync=all", "fetch.fsckObjects=true", "fetch.fsck.zeroPaddedFilemode=warn",
            "fetch.fsck.badTimezone=warn", "fetch.fsck.missingSpaceBeforeDate=warn",
            "core.hooksPath=/dev/null", "gc.autoDetach=false", "maintenance.autoDetach=false",
            // A connection that stands still is given up before the limit.
            "http.lowSpeedLimit=1000", "http.lowSpeedTime=60",
        ]
        return Command(
            "/usr/bin/git", ["--git-dir=\(path)"] + settings.flatMap { ["-c", $0] } + arguments,
            environment: environment, mark: mark)
    }

    /// Whole names; none where nothing came yet, or nothing can be read.
    private var branches: Set<String> {
        // The fetch says what is wrong.
        guard let repository = try? Repository(at: path),
            let branches = try? repository.references(under: "refs/heads/")
        else { return [] }
        return Set(branches.map(\.0.text))
    }

    /// Ends and removes what a worker that was killed left of its fetch: only we write here, and we hold the lock.
    private func clearUp() {
        ProcessSweep.end(marked: mark)
        let now = Timestamp.now.milliseconds / 1000
        func remove(in folder: String, olderThan age: Int64, _ isLeft: (String) -> Bool) {
            for name in FileSystem.names(in: folder) where isLeft(name) {
                let file = "\(folder)/\(name)"
                if now - linux_modified_seconds(file) > age { unlink(file) }
            }
        }
        // It would keep every later one from writing. References and notes of what is live take moments.
        for folder in [path] + ReferenceWatch.folders(in: path) {
            remove(in: folder, olderThan: 60) { $0.hasSuffix(".lock") }
        }
        // Half of a large repository, once for each fetch that was cut short.
        remove(in: "\(path)/objects/pack", olderThan: 600) { $0.hasPrefix("tmp_") || $0.hasPrefix(".tmp-") }
    }

    private var mark: String { "fetch-\(path)" }

    /// The first line says most: `Permission denied (publickey).` stands before git's own words.
    private func failure(_ exit: Exit, _ text: String, _ limit: Duration) -> ShipitError {
        if case .signal = exit {
            return ShipitError(.failure, "git fetch was stopped; it has \(limit.spoken)")
        }
        // ssh ends its lines with a carriage return too.
        let lines = text.split(whereSeparator: \.isNewline).map {
            $0.trimmingPrefix("fatal: ").trimmingPrefix("error: ")
        }
        let telling = lines.drop { $0.lowercased().hasPrefix("warning:") || $0.isEmpty }
        // `unable to connect to HOST:` has why on the next line.
        let reason = telling.first.map {
            $0.hasSuffix(":") ? ([$0] + telling.dropFirst().prefix(1)).joined(separator: " ") : String($0)
        }
        return ShipitError(
            .failure, visibleLine(reason ?? "git ended with \(exit)").lowercasedFirst, hint: hint(for: text))
    }

    private func hint(for text: String) -> String? {
        let me = User.named(by: geteuid())?.name ?? "uid \(geteuid())"
        if text.contains("terminal prompts disabled") || text.contains("Authentication failed") {
            return "as \(me): git config --global credential.helper store, then git ls-remote \(remote.url) once"
        }
        if text.contains("Host key verification failed") {
            return "as \(me): git ls-remote \(remote.url) once, and compare the key of \(remote.place)"
        }
        if text.contains("fsck error") {
            return
                "if you trust it all the same, as \(me): git config --global fetch.fsck.NAME warn, with the name that it gives"
        }
        if text.contains("dubious ownership") {
            return "as \(me): git config --global --add safe.directory \(remote.place)"
        }
        if text.contains("Permission denied") { return "let \(me)'s ssh key read it at \(remote.place)" }
        return nil
    }
}
