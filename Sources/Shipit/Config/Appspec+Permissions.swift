extension YAMLReader {
    func permissions(_ node: Node) -> [Permission] { list(node, of: "permissions").compactMap(permission) }

    private func permission(_ node: Node) -> Permission? {
        let keys = mapping(
            node, of: "an entry of permissions",
            keys: ["object", "pattern", "except", "type", "owner", "group", "mode", "acls", "context"],
            unknown: .warning,
            hints: [
                "path": "object names the file or folder", "user": "owner names the user",
                "permissions": "mode has the digits", "chmod": "mode has the digits",
                "acl": "acls is a list of entries",
                "recursive": "everything below the object is meant unless pattern says otherwise",
            ])
        /// Null is as good as missing.
        func value(_ key: String) -> Node? { keys[key].flatMap { isNull($0) ? nil : $0 } }
        guard let place = value("object") else {
            error(node, "an entry of permissions has no object")
            return nil
        }
        guard let object = self.place(place, of: "object")?.trimmed else { return nil }
        var permission = Permission(line: place.mark?.line, object: object)
        if let node = value("pattern"), let pattern = text(node, of: "pattern") {
            permission.pattern = pattern
            if pattern.contains(where: { "?[{".contains($0) }) {
                warn(node, "pattern \(pattern): only * stands for other letters", onAWS: "the same")
            } else if pattern.contains("/") {
                warn(node, "pattern \(pattern) matches nothing, since names have no slash", onAWS: "the same")
            }
        }
        if let node = value("except") {
            permission.except = texts(node, of: "except")
            for name in permission.except where name.contains("/") {
                warn(
                    node, "except \(name) means nothing, since only names right below the object are compared",
                    onAWS: "the same")
            }
        }
        if let node = value("type") {
            permission.types = Set(
                list(node, of: "type").compactMap { choice($0, of: "type", Permission.ObjectType.self) })
        }
        permission.owner = value("owner").flatMap { name($0, of: "owner") }
        permission.group = value("group").flatMap { name($0, of: "group") }
        permission.mode = value("mode").flatMap(mode)
        if let node = value("acls") {
            permission.acls = list(node, of: "acls").compactMap(accessEntry)
        }
        permission.context = value("context").flatMap(securityContext)
        return permission
    }

    private func name(_ node: Node, of what: String) -> String? {
        guard let name = text(node, of: what) else { return nil }
        if name.contains(":") {
            error(
                node, "\(what) wants a name alone, found \"\(name)\"",
                onAWS: "the deployment fails in Install, with the new files in place")
            return nil
        }
        return name
    }

    /// The digits as they stand there: YAML makes a decimal number of 0644 without quotes, and nobody means that.
    private func mode(_ node: Node) -> UInt16? {
        guard let digits = text(node, of: "mode") else { return nil }
        if let odd = digits.first(where: { !"01234567".contains($0) }) {
            error(node, "mode \(digits) has the character \(odd), expected digits from 0 to 7 such as 644")
            return nil
        }
        guard digits.count <= 4 else {
            error(node, "mode \(digits) has \(digits.count) digits, expected one to four such as 644")
            return nil
        }
        if isPlain(node), digits.hasPrefix("0"), digits.count > 1, let number = Int(digits, radix: 8), number > 7 {
            let asDecimal = String(number)
            let isMode = asDecimal.count <= 4 && asDecimal.allSatisfy { "01234567".contains($0) }
            warn(
                node, "mode \(digits) is read as it stands there; put it in quotes",
                onAWS: "an agent before 2.0 "
                    + (isMode ? "sets mode \(asDecimal)" : "refuses it, since YAML makes \(asDecimal) of it"))
        }
        return UInt16(digits, radix: 8)
    }

    private func accessEntry(_ node: Node) -> AccessEntry? {
        guard let entry = text(node, of: "an entry of acls") else { return nil }
        do {
            return try AccessEntry(entry)
        } catch {
            self.error(node, "the access control entry \(entry) is not valid: \(error.message)")
            return nil
        }
    }

    private func securityContext(_ node: Node) -> SecurityContext? {
        let keys = mapping(
            node, of: "context", keys: ["type", "user", "name", "range"], later: ["role"], unknown: .warning)
        guard let type = keys["type"].flatMap({ text($0, of: "the type of context") }) else {
            if keys["type"] == nil { error(node, "context has no type") }
            return nil
        }
        var context = SecurityContext(type: type)
        context.user = (keys["user"] ?? keys["name"]).flatMap { isNull($0) ? nil : text($0, of: "the user of context") }
        if let node = keys["range"], !isNull(node), let range = text(node, of: "range") {
            do {
                context.range = try SecurityRange(range)
            } catch {
                self.error(node, "range \(range) is not valid: \(error.message)")
            }
        }
        return context
    }
}
