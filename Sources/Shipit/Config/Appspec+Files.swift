extension YAMLReader {
    /// CodeDeploy's files for containers and functions have the same name and nothing else in common.
    func isForOtherPlatform(_ root: Node) -> Bool {
        guard case .mapping(let mapping) = root,
            let key = mapping.entries.first(where: { $0.key.scalar?.string.lowercased() == "resources" })
        else { return false }
        let types = [
            ("AWS::ECS::Service", "containers on Amazon ECS"), ("AWS::Lambda::Function", "a function on AWS Lambda"),
        ]
        let what = types.first { contains($0.0, in: key.value) }?.1 ?? "Amazon ECS or AWS Lambda"
        error(
            key.key,
            "this appspec is for \(what); shipit deploys to machines only, expected os: linux, files and hooks",
            onAWS: "it is read by the service, and by no agent")
        return true
    }

    private func contains(_ text: String, in node: Node) -> Bool {
        switch node {
        case .scalar(let scalar): scalar.string == text
        case .sequence(let sequence): sequence.nodes.contains { contains(text, in: $0) }
        case .mapping(let mapping): mapping.entries.contains { contains(text, in: $0.value) }
        }
    }

    /// The agent compares numbers, and a quoted version is none.
    func checkVersion(_ node: Node) {
        guard let version = text(node, of: "version") else { return }
        if !isPlain(node) || Double(version) != 0 {
            let quoted = isPlain(node) ? version : "\"\(version)\""
            error(node, "version \(quoted) is not valid, expected 0.0")
        }
    }

    func fileMappings(_ node: Node) -> [Appspec.FileMapping] {
        list(node, of: "files").compactMap { entry in
            guard !isNull(entry) else {
                error(entry, "an entry of files has no source and no destination")
                return nil
            }
            let atTop = "permissions at the top does it"
            let keys = mapping(
                entry, of: "an entry of files", keys: ["source", "destination"], unknown: .warning,
                hints: [
                    "overwrite": "file_exists_behavior: OVERWRITE at the top does it for all files",
                    "file_exists_behavior": "it stands at the top, for all files", "mode": atTop, "owner": atTop,
                    "group": atTop, "permissions": "it stands at the top", "hooks": "it stands at the top",
                ])
            if keys["source"] == nil { error(entry, "an entry of files has no source") }
            if keys["destination"] == nil { error(entry, "an entry of files has no destination") }
            let source = keys["source"].flatMap { inside($0, of: "source") }
            let destination = keys["destination"].flatMap { place($0, of: "destination") }
            guard let source, let destination else { return nil }
            return Appspec.FileMapping(source: source, destination: destination)
        }
    }

    /// A path whose root is the artifact's, never above it.
    func inside(_ node: Node, of what: String) -> String? {
        guard let path = text(node, of: what) else { return nil }
        guard !path.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) else {
            error(node, "\(what) has a control character such as a line end in it", onAWS: "the path is taken as it is")
            return nil
        }
        var parts: [Substring] = []
        for part in path.split(separator: "/") where part != "." {
            if part != ".." {
                parts.append(part)
            } else if parts.popLast() == nil {
                error(
                    node, "\(what) must not climb with .., found \"\(path)\"",
                    onAWS: "an agent before 2.1 follows it, wherever it leads")
                return nil
            }
        }
        return parts.joined(separator: "/")
    }

    /// A path on the machine, of which nothing is expanded.
    func place(_ node: Node, of what: String) -> String? {
        guard let path = inside(node, of: what), let written = node.scalar?.string else { return nil }
        if written == "~" || written.hasPrefix("~/") {
            error(
                node, "\(what) is not expanded, so \"\(written)\" would be a folder named ~; write the whole path",
                onAWS: "the deployment fails in Install, after the old files were removed")
            return nil
        }
        if written.contains("$") {
            warn(node, "\(what) is not expanded, so \"\(written)\" is taken letter by letter", onAWS: "the same")
        } else if !written.hasPrefix("/") {
            warn(
                node, "\(what) \"\(written)\" does not begin with /, and is taken from there",
                onAWS: "it is taken from the folder that the agent was started in")
        }
        return path
    }
}
