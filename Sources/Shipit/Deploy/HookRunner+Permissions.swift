extension HookRunner {
    /// What a push may make root give away: nothing, unless the policy lets its scripts act as root anyway.
    func checkPermissions(_ appspec: Appspec) throws {
        guard let owner, owner.uid != 0 else { return }
        let file = ReleaseFolder.appspecs[0]
        let problems = appspec.permissions.flatMap { permission -> [Diagnostic] in
            var wishes: [String] = []
            if let name = permission.owner, let user = User.named(name), user.uid != owner.uid {
                wishes.append("owner: \(visibleLine(name))")
            }
            if let name = permission.group, let group = Group.named(name), !owner.groups.contains(group.gid) {
                wishes.append("group: \(visibleLine(name))")
            }
            if let mode = permission.mode, mode & 0o6000 != 0 { wishes.append("mode: \(String(mode, radix: 8))") }
            if permission.context != nil { wishes.append("context:") }
            return wishes.map {
                Diagnostic(
                    .error, file: file, line: permission.line,
                    "\($0) is for root to give, and scripts here act as \(owner.name); runas: root in the environment of pipeline.yml allows it"
                )
            }
        }
        guard problems.isEmpty else { throw Diagnostics(problems) }
    }
}
