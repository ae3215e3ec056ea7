extension Buildspec {
    /// What a build wants to find as an earlier one left it.
    public struct Cache: Hashable, Sendable {
        public enum Action: String, Hashable, Sendable, CaseIterable {
            case restore, save
        }

        public var paths: [CachePath]
        /// Nil: there is one cache, and every successful build replaces it.
        public var key: CacheKey?
        /// Beginnings of other keys to take when there is nothing under the key itself, in this order.
        public var fallbackKeys: [CacheKey] = []
        /// Nil for both.
        public var action: Action?

        static let mostFallbackKeys = 5
    }
}

extension YAMLReader {
    func cache(_ node: Node) -> Buildspec.Cache? {
        let keys = mapping(node, of: "cache", keys: ["paths", "key", "fallback-keys", "action"], unknown: .warning)
        guard let paths = value(keys, "paths") else {
            warn(node, "cache has no paths, so nothing is kept; expected a list such as - 'node_modules/**/*'")
            return nil
        }
        var cache = Buildspec.Cache(paths: cachePaths(paths))
        if cache.paths.isEmpty { return nil }
        if let node = value(keys, "key") {
            // What another key would have kept is not for everybody.
            guard let key = cacheKey(node, of: "key") else { return nil }
            cache.key = key
        }
        if let node = value(keys, "fallback-keys") {
            let nodes = node.scalar == nil ? list(node, of: "fallback-keys") : [node]
            let most = Buildspec.Cache.mostFallbackKeys
            if nodes.count > most {
                warn(node, "fallback-keys has \(nodes.count) entries, the first \(most) are tried")
            }
            cache.fallbackKeys = nodes.prefix(most).compactMap { cacheKey($0, of: "an entry of fallback-keys") }
            if keys["key"] == nil { warn(node, "fallback-keys are left out, since there is no key") }
        }
        if let node = value(keys, "action") { cache.action = choice(node, of: "action", Buildspec.Cache.Action.self) }
        return cache
    }

    private func cachePaths(_ node: Node) -> [CachePath] {
        let nodes = node.scalar == nil ? list(node, of: "paths") : [node]
        if nodes.isEmpty { warn(node, "cache has no paths, so nothing is kept") }
        var paths: [CachePath] = []
        for node in nodes {
            guard !isNull(node), let written = text(node, of: "an entry of paths") else { continue }
            do throws(CachePath.Fault) {
                paths.append(try CachePath(written))
            } catch {
                switch error {
                case .wrong(let what): warn(node, "the cache path \"\(written)\" \(what): left out")
                case .elsewhere:
                    warn(
                        node,
                        "the cache path \"\(written)\" is neither in the source nor in the build's home (\(Sandbox.home), ~): left out"
                    )
                }
            }
        }
        return paths
    }

    private func cacheKey(_ node: Node, of what: String) -> CacheKey? {
        guard let text = text(node, of: what) else { return nil }
        guard text.utf8.count <= 512 else {
            warn(node, "\(what) has \(text.utf8.count) bytes, at most 512 are read: nothing is kept under it")
            return nil
        }
        do throws(CacheKey.NotUnderstood) { return try CacheKey(text) } catch {
            warn(
                node,
                "\(what) wants text, $NAME and $(codebuild-hash-files FILE), found \"\(error.part.prefix(60))\": nothing is kept under it"
            )
            return nil
        }
    }
}
