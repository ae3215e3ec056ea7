/// Which phases run after which failed (AWS reference 3.4), as a pure decision.
struct BuildPhases: Hashable, Sendable {
    private(set) var failed: [Buildspec.PhaseName] = []
    private var isStopped = false

    func runs(_ phase: Buildspec.PhaseName) -> Bool { !isStopped }

    /// Also when a later phase went well: a build of which any phase failed is no success.
    var isSucceeding: Bool { failed.isEmpty }

    /// A phase failed, and was tried as often as it may be. Unless the phase says what then: after install and pre_build
    /// nothing more runs, after build post_build still does.
    mutating func fail(_ phase: Buildspec.PhaseName, _ onFailure: Buildspec.OnFailure?) {
        failed.append(phase)
        switch onFailure {
        case .abort: isStopped = true
        case .continue: break
        case .retry, nil: if phase == .install || phase == .preBuild { isStopped = true }
        }
    }
}
