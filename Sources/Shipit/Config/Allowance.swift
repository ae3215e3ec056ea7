/// Who may do what to an app; what is not mentioned may be done by everybody who can reach shipit.
public struct Allowance: Hashable, Sendable {
    public enum Action: String, Hashable, Sendable, CaseIterable {
        case promote, approve, reject, rollback, emergency, start, retry, cancel, hold, pause, mark
        case skip, to
        case variable = "var"

        /// Whether the policy may name people by environment.
        var isByEnvironment: Bool { [.promote, .approve, .rollback, .hold, .emergency].contains(self) }

        fileprivate func sentence(_ environment: String?) -> String {
            let place = environment.map { " \($0)" } ?? ""
            switch self {
            case .promote: return "promote\(environment.map { " to \($0)" } ?? "")"
            case .approve: return "approve\(environment.map { " for \($0)" } ?? "")"
            case .reject: return "reject a run"
            case .rollback: return "roll\(place) back"
            case .emergency: return "skip checks\(environment.map { " of \($0)" } ?? "") in an emergency"
            case .start: return "start a run"
            case .retry: return "retry a run"
            case .cancel: return "cancel a run"
            case .hold: return "hold or unhold\(place)"
            case .pause: return "pause or resume everything"
            case .mark: return "mark a deployment"
            case .skip: return "push with skip"
            case .to: return "choose where a run goes"
            case .variable: return "give a run variables"
            }
        }
    }

    /// One entry of a list of people.
    public enum Member: Hashable, Sendable, CustomStringConvertible {
        case everybody
        case person(String)
        /// A group of this machine.
        case group(String)

        public var description: String {
            switch self {
            case .everybody: "*"
            case .person(let name): name
            case .group(let name): "@\(name)"
            }
        }

        var isOnePerson: Bool {
            if case .person = self { true } else { false }
        }
    }

    enum Rule: Hashable, Sendable {
        case everywhere([Member])
        case byEnvironment([String: [Member]])
    }

    var rules: [Action: Rule] = [:]

    public init() {}

    /// Whether the policy says who may do it there.
    public func names(_ action: Action, in environment: String?) -> Bool { members(action, in: environment) != nil }

    /// `person`: as in the history, `ann` or `ann (sudo)`.
    public func permits(_ action: Action, in environment: String?, person: String) -> Bool {
        guard let members = members(action, in: environment) else { return action != .emergency }
        let person = Person(by: person)
        return members.contains { person.isMeant(by: $0) }
    }

    /// Throws the error that names who may.
    public func check(_ action: Action, in environment: String? = nil, person: String) throws {
        guard let refusal = refusal(action, in: environment, person: person) else { return }
        throw refusal
    }

    /// Who tries a job again does again what was done: it is no way around what else is allowed.
    public func checkRetry(of job: Job, person: String) throws {
        try check(.retry, person: person)
        guard job.kind == .deploy else { return }
        if job.backTo != nil { return try check(.rollback, in: job.name, person: person) }
        if job.isEmergency { try check(.emergency, in: job.name, person: person) }
        // What nobody promoted is judged as before.
        if job.by != nil { try check(.promote, in: job.name, person: person) }
    }

    /// Nil when it is permitted.
    public func refusal(_ action: Action, in environment: String? = nil, person: String) -> ShipitError? {
        guard !permits(action, in: environment, person: person) else { return nil }
        let members = members(action, in: environment) ?? []
        let hint =
            members.isEmpty
            ? "nobody may; allow: { \(action.rawValue): [NAME] } in pipeline.yml names people"
            : "\(members.map(\.description).joined(separator: ", ")) may, says allow: in pipeline.yml"
        return ShipitError(
            .unavailable, "\(visibleLine(Person(by: person).name)) may not \(action.sentence(environment))", hint: hint)
    }

    /// Nil when nothing is said of it.
    private func members(_ action: Action, in environment: String?) -> [Member]? {
        switch rules[action] {
        case nil: return nil
        case .everywhere(let members): return members
        case .byEnvironment(let lists):
            if let environment { return lists[environment] }
            // Of no environment in particular: whoever may everywhere.
            let all = lists.values.map(Set.init)
            return all.dropFirst().reduce(all.first ?? []) { $0.intersection($1) }.sorted {
                $0.description < $1.description
            }
        }
    }
}

/// Somebody as the history names them, with how shipit knows: `ann (sudo)`, `ben (GL_USERNAME)`.
public struct Person: Hashable, Sendable {
    public let name: String
    /// Known as an account of this machine, and not by what a forge says.
    public let isAccount: Bool

    public init(by text: String) {
        guard text.hasSuffix(")"), let bracket = text.lastIndex(of: "("), text[..<bracket].hasSuffix(" ") else {
            name = text
            isAccount = true
            return
        }
        name = String(text[..<bracket].dropLast())
        isAccount = text[bracket...] == "(sudo)"
    }

    /// The name without how it is known.
    public static func name(in by: String) -> String { Person(by: by).name }

    func isMeant(byOneOf members: [Allowance.Member]) -> Bool { members.contains { isMeant(by: $0) } }

    /// A forge's name says nothing of groups of this machine.
    func isMeant(by member: Allowance.Member) -> Bool {
        switch member {
        case .everybody: return true
        case .person(let name): return name == self.name
        case .group(let group):
            guard isAccount, let group = Group.named(group), let user = User.named(name) else { return false }
            return user.groups.contains(group.gid)
        }
    }
}

extension YAMLReader {
    func allowance(_ node: Node, _ environments: [EnvironmentPolicy]) -> Allowance {
        let keys = mapping(node, of: "allow", keys: Allowance.Action.allCases.map(\.rawValue))
        var allowance = Allowance()
        for action in Allowance.Action.allCases {
            guard let node = keys[action.rawValue] else { continue }
            guard case .mapping = node else {
                allowance.rules[action] = .everywhere(members(node, of: action.rawValue))
                continue
            }
            guard action.isByEnvironment else {
                error(node, "\(action.rawValue) wants a list of people, which holds for the whole app")
                continue
            }
            var lists: [String: [Allowance.Member]] = [:]
            for (key, name, value) in pairs(node, of: action.rawValue) ?? [] {
                checkEnvironment(name, key, among: environments)
                lists[name] = members(value, of: "\(action.rawValue) of \(name)")
            }
            allowance.rules[action] = .byEnvironment(lists)
        }
        return allowance
    }

    func members(_ node: Node, of what: String) -> [Allowance.Member] {
        list(node, of: what).compactMap { entry in
            guard let text = text(entry, of: "an entry of \(what)") else { return nil }
            if text == "*" { return .everybody }
            if text.hasPrefix("@") {
                if text.count > 1 { return .group(String(text.dropFirst())) }
                error(entry, "@ wants the name of a group of this machine, such as @deployers")
                return nil
            }
            return .person(text)
        }
    }
}
