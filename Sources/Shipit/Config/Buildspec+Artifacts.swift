extension YAMLReader {
    private static let artifactKeys = [
        "files", "name", "discard-paths", "base-directory", "exclude-paths", "enable-symlinks", "s3-prefix",
    ]

    func artifacts(_ node: Node, _ version: Buildspec.Version) -> Buildspec.Artifacts? {
        let old = version == .one ? ["type"] : []
        let keys = mapping(
            node, of: "artifacts", keys: Self.artifactKeys + ["secondary-artifacts"] + old, unknown: .warning,
            hints: ["type": "an artifact is always a tarball here, and a zip at AWS"])
        var secondary: [Buildspec.Secondary] = []
        if let node = value(keys, "secondary-artifacts"), let entries = pairs(node, of: "secondary-artifacts") {
            for (key, identifier, value) in entries {
                guard identifier.isIdentifier else {
                    error(
                        key,
                        "\"\(identifier.prefix(40))\" is no identifier, expected letters, digits, _ and -, at most 128"
                    )
                    continue
                }
                let keys = mapping(value, of: identifier, keys: Self.artifactKeys, unknown: .warning)
                if let artifacts = artifacts(value, keys, of: identifier, isAlone: true) {
                    secondary.append(Buildspec.Secondary(identifier: identifier, artifacts: artifacts))
                }
            }
        }
        guard var artifacts = artifacts(node, keys, of: "artifacts", isAlone: secondary.isEmpty) else { return nil }
        artifacts.secondary = secondary
        return artifacts
    }

    private func artifacts(
        _ node: Node, _ keys: [String: Node], of what: String, isAlone: Bool
    ) -> Buildspec.Artifacts? {
        var artifacts = Buildspec.Artifacts(files: [])
        if let files = value(keys, "files") {
            artifacts.files = sourceGlobs(files, of: "files")
        }
        if artifacts.files.isEmpty, !isAlone {
            warn(node, "artifacts has no files: the artifact is what the secondary artifacts name together")
        } else if artifacts.files.isEmpty {
            let place = keys["files"] ?? node
            // Who names a part of the source does not want all of it.
            guard what == "artifacts", value(keys, "base-directory") == nil, value(keys, "exclude-paths") == nil else {
                error(place, "\(what) has no files, expected a list such as - '**/*'")
                return nil
            }
            warn(place, "artifacts has no files: the whole workspace is packed, as without artifacts")
            return nil
        }
        if let node = value(keys, "base-directory") { artifacts.baseDirectory = baseDirectory(node) }
        if let node = value(keys, "exclude-paths") {
            artifacts.excludePaths = sourceGlobs(node, of: "exclude-paths")
        }
        if let node = value(keys, "discard-paths") {
            artifacts.discardPaths = lenientFlag(node, of: "discard-paths")
        }
        // Links are packed as links, whatever it says: AWS follows them unless it says yes.
        if let node = value(keys, "enable-symlinks") { _ = lenientFlag(node, of: "enable-symlinks") }
        artifacts.name = value(keys, "name").flatMap { isEmpty($0, "name") ? nil : text($0, of: "name") }
        if let node = value(keys, "s3-prefix") { warn(node, "s3-prefix has no effect: artifacts stay on this machine") }
        return artifacts
    }

    func sourceGlobs(_ node: Node, of what: String) -> [Glob] {
        lenientTexts(node, of: what).map { text in
            let pattern = text.belowSource
            // What a variable makes of it is known only after the build.
            if !pattern.contains("$"), pattern.hasPrefix("/") || pattern.split(separator: "/").contains("..") {
                warn(node, "\"\(visibleLine(text))\" in \(what) matches nothing: names are those within the source")
            }
            return Glob(pattern)
        }
    }

    private func isEmpty(_ node: Node, _ what: String) -> Bool {
        guard node.scalar?.string.isEmpty == true else { return false }
        warn(node, "\(what) is empty, which is as good as none")
        return true
    }

    func baseDirectory(_ node: Node) -> String? {
        if isEmpty(node, "base-directory") { return nil }
        guard let path = text(node, of: "base-directory") else { return nil }
        guard let inside = path.belowSource.insideSource else {
            error(node, "base-directory wants a folder inside the source, found \"\(path)\"")
            return nil
        }
        return inside.isEmpty ? nil : inside
    }
}

extension String {
    /// Without what only says where the source is.
    var belowSource: String {
        var rest = self[...]
        for prefix in ["$CODEBUILD_SRC_DIR/", "${CODEBUILD_SRC_DIR}/", "\(Sandbox.source)/"]
        where rest.hasPrefix(prefix) {
            rest = rest.dropFirst(prefix.count)
            break
        }
        if ["$CODEBUILD_SRC_DIR", "${CODEBUILD_SRC_DIR}", Sandbox.source].contains(String(rest)) { return "" }
        while rest.hasPrefix("./") { rest = rest.dropFirst(2) }
        return String(rest)
    }

    /// Without `.` and `..`; nil for what is not below the source.
    var insideSource: String? {
        guard !hasPrefix("/"), !hasPrefix("~") else { return nil }
        var parts: [Substring] = []
        for part in split(separator: "/") where part != "." {
            if part != ".." {
                parts.append(part)
            } else if parts.popLast() == nil {
                return nil
            }
        }
        return parts.joined(separator: "/")
    }

    /// AWS's identifiers, from which file names are made.
    var isIdentifier: Bool {
        !isEmpty && utf8.count <= 128
            && utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || "_-".utf8.contains(byte)
            }
    }
}
