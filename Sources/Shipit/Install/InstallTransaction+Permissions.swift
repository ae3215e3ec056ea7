import CLinux
import Glibc

/// Modes, owners, access control lists and contexts of what an installation brings.
extension InstallTransaction {
    /// In the agent's order: mode, access control list, owner (AWS reference 1.4). By descriptor: whoever may write to the
    /// folder could put a link in the place of the name.
    func apply(_ change: InstallPlan.Change, to file: Int32) async throws {
        if let mode = change.mode, fchmod(file, mode_t(mode)) != 0 {
            throw root.failure("set the mode of", change.path)
        }
        if !change.acls.isEmpty {
            var status = stat()
            guard fstat(file, &status) == 0 else { throw root.failure("look at", change.path) }
            let list = AccessList(change.acls, base: UInt16(status.st_mode & 0o777))
            try await run(
                "setfacl", ["--set", list.description, "--", "/proc/\(getpid())/fd/\(file)"],
                "set the acls of \(root.shown(change.path))")
        }
        if change.owner != nil || change.group != nil {
            let owner = change.owner.flatMap(User.named)?.uid ?? ~0,
                group = change.group.flatMap(Group.named)?.gid ?? ~0
            guard fchown(file, owner, group) == 0 else { throw root.failure("set the owner of", change.path) }
        }
    }

    func changeFolders() async throws {
        for change in plan.changes where change.isFolder {
            let folder = try root.withParent(of: change.path, "change") { parent, name in
                let folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                guard folder >= 0 else { throw root.failure("change", change.path) }
                return folder
            }
            defer { close(folder) }
            try await apply(change, to: folder)
        }
    }

    func tellContexts() async throws {
        for path in plan.forgottenContexts where Command.find("semanage") != nil {
            // One that is not known any more is forgotten already.
            try? await run("semanage", ["fcontext", "-d", root.absolute(path)], "")
        }
        for change in plan.changes {
            guard let context = change.context else { continue }
            let path = root.absolute(change.path)
            let user = context.user.map { ["-s", $0] } ?? [],
                range = context.range.map { ["-r", $0.description] } ?? []
            let shown = "set the context of \(root.shown(change.path))"
            try await run("semanage", ["fcontext", "-a"] + user + ["-t", context.type] + range + [path], shown)
            try await run("restorecon", ["-vF", path], shown)
        }
    }

    private func run(_ name: String, _ arguments: [String], _ what: String) async throws {
        guard let program = Command.find(name) else {
            throw ShipitError(.failure, "could not \(what): there is no program \(name)")
        }
        let (exit, text) = try await Program.output(of: Command(program, arguments))
        guard exit.isSuccess else {
            let reason = text.split(separator: "\n").first.map(String.init) ?? "\(exit)"
            throw ShipitError(.failure, "could not \(what): \(visibleLine(reason))")
        }
    }
}
