/// Which phases run after which failed (AWS reference 3.4), as a pure decision.
struct BuildPhases: Hashable, Sendable {
    private(set) var failed: [Buildspec.PhaseName] = []

    /// After a failed install or pre_build nothing more runs; after a failed build post_build still does.
    func runs(_ phase: Buildspec.PhaseName) -> Bool {
        switch phase {
        case .install: true
        case .preBuild, .build: failed.isEmpty
        case .postBuild: !failed.contains(.install) && !failed.contains(.preBuild)
        }
    }

    var isSucceeding: Bool { failed.isEmpty }

    mutating func fail(_ phase: Buildspec.PhaseName) { failed.append(phase) }
}
