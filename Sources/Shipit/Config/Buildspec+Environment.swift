extension YAMLReader {
    func environment(_ node: Node, into spec: inout Buildspec) {
        let keys = mapping(
            node, of: "env",
            keys: [
                "shell", "variables", "parameter-store", "secrets-manager", "exported-variables",
                "git-credential-helper",
            ],
            unknown: .warning)
        if let node = value(keys, "shell") { spec.shell = shell(node) ?? .sh }
        if let node = value(keys, "variables") { spec.variables = variables(node, of: "variables") }
        for origin in [Buildspec.Secret.Origin.parameterStore, .secretsManager] {
            guard let node = value(keys, origin.rawValue) else { continue }
            let references = variables(node, of: origin.rawValue).sorted { $0.key < $1.key }
            spec.secrets += references.map { Buildspec.Secret(name: $0.key, origin: origin, reference: $0.value) }
        }
        if let node = value(keys, "exported-variables") { spec.exported = exported(node, spec) }
        if let node = value(keys, "git-credential-helper") {
            spec.wantsCredentialHelper = lenientFlag(node, of: "git-credential-helper")
            if spec.wantsCredentialHelper {
                warn(
                    node,
                    "git-credential-helper has no effect: there are no AWS credentials; the build reaches the repositories that it can reach without"
                )
            }
        }
    }

    /// Version 0.1 has its variables there.
    func oldVariables(_ node: Node, into spec: inout Buildspec) {
        if spec.version == .two {
            warn(node, "environment_variables is of version 0.1; in 0.2 it is env: { variables: }")
        }
        let keys = mapping(node, of: "environment_variables", keys: ["plaintext"], unknown: .warning)
        guard let node = value(keys, "plaintext") else { return }
        spec.variables.merge(variables(node, of: "plaintext")) { own, _ in own }
    }

    private func shell(_ node: Node) -> Buildspec.Shell? {
        guard let word = text(node, of: "shell") else { return nil }
        switch word {
        case "bash", "/bin/bash", "/usr/bin/bash": return .bash
        case "sh", "/bin/sh", "/usr/bin/sh": return .sh
        case "powershell.exe", "cmd.exe", "pwsh", "pwsh.exe":
            error(node, "the shell \(word) is for builds on Windows, expected bash or /bin/sh")
        default: error(node, "shell wants bash or /bin/sh, found \"\(word.prefix(40))\"")
        }
        return nil
    }

    /// Names with texts; a number is its text and null is empty.
    func variables(_ node: Node, of what: String) -> [String: String] {
        guard let entries = pairs(node, of: what) else { return [:] }
        var variables: [String: String] = [:]
        for (key, name, value) in entries {
            guard EnvironmentFile.isName(name) else {
                warn(key, "\"\(name.prefix(40))\" is not a name that a shell can read: left out")
                continue
            }
            if name.hasPrefix("CODEBUILD_") {
                warn(key, "\(name) is not yours to set, names that begin with CODEBUILD_ are the builder's: left out")
                continue
            }
            guard case .scalar(let scalar) = value else {
                error(value, "the variable \(name) wants text")
                continue
            }
            variables[name] = isNull(value) ? "" : scalar.string
        }
        return variables
    }

    private func exported(_ node: Node, _ spec: Buildspec) -> [String] {
        var names: [String] = []
        for name in lenientTexts(node, of: "exported-variables") where !names.contains(name) {
            if !EnvironmentFile.isName(name) {
                warn(node, "exported-variables: \"\(name.prefix(40))\" is not the name of a variable: left out")
            } else if spec.secrets.contains(where: { $0.name == name }) {
                warn(node, "exported-variables: \(name) is a secret, which is never exported: left out")
            } else if name.hasPrefix("AWS_") {
                warn(node, "exported-variables: names that begin with AWS_ are not exported: \(name) is left out")
            } else {
                names.append(name)
            }
        }
        return names
    }
}
