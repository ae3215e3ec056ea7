import GitKit

/// What a build finds in its environment, and what it must find there.
extension BuildJob {
    /// Everything that can be known to be missing before the first command, each with what to do about it.
    func obstacles(to spec: Buildspec, isEnclosed: Bool) throws -> [String] {
        var obstacles: [String] = []
        let entries = settings.entries
        let missing = spec.secrets.filter { secret in !entries.contains { $0.name == secret.name } }
        if !missing.isEmpty {
            let names = missing.map { "\($0.name) (\($0.origin.rawValue): \($0.reference))" }
            obstacles.append(
                "the buildspec wants \(names.joined(separator: ", ")), and the app has no such build secret")
            for secret in missing {
                obstacles.append(
                    "  printf %s \"$VALUE\" | shipit env set build --secret \(secret.name) --app \(run.app)")
            }
        }
        if spec.shell == .bash, !FileSystem.exists(Buildspec.Shell.bash.rawValue) {
            obstacles.append("env.shell is bash, and there is no /bin/bash on this machine; install it or use sh")
        }
        if obstacles.isEmpty { noteWhatHasNoEffect(spec, isEnclosed: isEnclosed) }
        log.mask(entries.filter { isHidden($0, spec) }.map(\.value))
        return obstacles
    }

    /// AWS never shows what comes from its stores, so neither is it shown when it was set as a plain variable here.
    private func isHidden(_ entry: EnvironmentFile.Entry, _ spec: Buildspec) -> Bool {
        entry.isSecret || spec.secrets.contains { $0.name == entry.name }
    }

    private func noteWhatHasNoEffect(_ spec: Buildspec, isEnclosed: Bool) {
        for name in spec.users {
            let how =
                isEnclosed
                ? "an enclosed build has no users but its own"
                : "builds run as \(Sandbox.buildUser?.name ?? "the user of shipit")"
            log.say("run-as \(name) has no effect: \(how)")
        }
    }

    /// AWS's variables with true values (AWS reference 3.5); the server's own win over the buildspec's.
    func variables(
        _ spec: Buildspec, _ workspace: Workspace, _ commit: Commit, _ isEnclosed: Bool
    ) throws -> [String: String] {
        var variables = Command.plainEnvironment
        let folders = policy.pipeline.build.see.flatMap { ["\($0)/bin", "\($0)/usr/bin"] }.filter(FileSystem.isFolder)
        variables["PATH"] = (folders + [Command.path]).joined(separator: ":")
        variables.merge(spec.variables) { $1 }
        variables.merge(try installation.ledger.variables(of: run.id)) { $1 }
        for entry in settings.entries where !isHidden(entry, spec) { variables[entry.name] = entry.value }
        variables.merge([
            "HOME": isEnclosed ? Sandbox.home : workspace.home,
            "TMPDIR": isEnclosed ? "/tmp" : workspace.temporary,
            "SHIPIT_CONTROL": isEnclosed ? Sandbox.control : workspace.control,
            "CI": "true",
            "SOURCE_DATE_EPOCH": "\(max(0, commit.committer.seconds))",
            "CODEBUILD_BUILD_ID": "\(run.app):\(run.id)",
            "CODEBUILD_BUILD_NUMBER": "\(run.id)",
            "CODEBUILD_BUILD_SUCCEEDING": "1",
            "CODEBUILD_INITIATOR": "shipit/\(run.app)",
            "CODEBUILD_LOG_PATH": "runs/\(run.id)/\(job.name).log",
            "CODEBUILD_RESOLVED_SOURCE_VERSION": run.revision.hex,
            "CODEBUILD_SOURCE_VERSION": run.reference ?? run.revision.hex,
            "CODEBUILD_SOURCE_REPO_URL": policy.pipeline.repository,
            "CODEBUILD_SRC_DIR": isEnclosed ? Sandbox.source : workspace.source,
            "CODEBUILD_START_TIME": "\(Timestamp.now.milliseconds)",
            "SHIPIT_APP": run.app,
            "SHIPIT_REVISION": run.revision.hex,
            "SHIPIT_RUN": "\(run.id)",
        ]) { $1 }
        variables.merge(try webhook()) { $1 }
        if let task { variables["CODEBUILD_BATCH_BUILD_IDENTIFIER"] = task }
        return variables
    }

    /// What a forge would have told AWS about the push.
    private func webhook() throws -> [String: String] {
        guard run.kind == .push, let reference = run.reference else { return [:] }
        var variables = ["CODEBUILD_WEBHOOK_EVENT": "PUSH", "CODEBUILD_WEBHOOK_HEAD_REF": reference]
        for (folder, word) in [("refs/heads/", "branch"), ("refs/tags/", "tag")] where reference.hasPrefix(folder) {
            variables["CODEBUILD_WEBHOOK_TRIGGER"] = "\(word)/\(reference.dropFirst(folder.count))"
        }
        // A branch that is new has no commit before.
        if let old = try installation.ledger.move(behind: run.id)?.old, old.contains(where: { $0 != "0" }) {
            variables["CODEBUILD_WEBHOOK_PREV_COMMIT"] = old
        }
        return variables
    }

    func secrets(_ spec: Buildspec) -> [String: String] {
        let entries = settings.entries.filter { isHidden($0, spec) }
        return Dictionary(entries.map { ($0.name, $0.value) }) { $1 }
    }
}

extension Buildspec {
    /// All users that it names, once.
    var users: [String] {
        var users = runAs.map { [$0] } ?? []
        for name in PhaseName.allCases {
            if let user = phases[name]?.runAs, !users.contains(user) { users.append(user) }
        }
        return users
    }
}

extension Buildspec.Artifacts {
    /// Whether a path depends on what the build's variables are in the end.
    var namesVariables: Bool {
        let paths = [baseDirectory ?? ""] + files.map(\.pattern) + excludePaths.map(\.pattern)
        return paths.contains { $0.contains("$") } || secondary.contains { $0.artifacts.namesVariables }
    }
}
