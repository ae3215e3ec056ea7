extension HookRunner {
    /// Whether a revision may act as somebody: as whom its scripts run anyway, and as whom `runas:` of the policy names;
    /// as everybody where that is root.
    func mayBe(_ user: User) -> Bool {
        guard let owner, owner.uid != 0 else { return true }
        return user.uid == owner.uid || plan.accounts.values.contains(user.name)
    }

    /// What a push may make root give away, before it is given.
    func checkPermissions(_ appspec: Appspec) throws {
        guard let owner, owner.uid != 0 else { return }
        let file = Appspec.names[0]
        let trusted = [owner] + plan.accounts.values.compactMap(User.named)
        let problems = appspec.permissions.flatMap { permission -> [Diagnostic] in
            var wishes: [(what: String, way: String)] = []
            if let name = permission.owner, let user = User.named(name), !mayBe(user) {
                wishes.append(("owner: \(visibleLine(name))", "runas: {\(name): \(name)}"))
            }
            if let name = permission.group, let group = Group.named(name),
                !trusted.contains(where: { $0.groups.contains(group.gid) })
            {
                wishes.append(("group: \(visibleLine(name))", "runas: with a user of that group"))
            }
            if let mode = permission.mode, mode & 0o6000 != 0 {
                wishes.append(("mode: \(String(mode, radix: 8))", "runas: root"))
            }
            if permission.context != nil { wishes.append(("context:", "runas: root")) }
            return wishes.map {
                Diagnostic(
                    .error, file: file, line: permission.line,
                    "\($0.what) is not for \(owner.name) to give, as whom scripts here act; \($0.way) in the environment of pipeline.yml allows it"
                )
            }
        }
        guard problems.isEmpty else { throw Diagnostics(problems) }
    }
}
