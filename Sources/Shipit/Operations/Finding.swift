import CLinux
import Glibc

/// A promise that is not kept: what, where, and what to do about it.
public struct Finding: Hashable, Sendable {
    public enum Severity: String, Hashable, Sendable, Codable {
        case error, warning
    }

    /// Stable names, for programs and for tests.
    public enum Code: String, Hashable, Sendable, Codable, CaseIterable {
        case ledgerDamaged = "ledger-damaged"
        case ledgerNotDurable = "ledger-not-durable"
        case ledgerContradiction = "ledger-contradiction"
        case policyUnreadable = "policy-unreadable"
        case policyChanged = "policy-changed"
        case appUnknown = "app-unknown"
        case appWithoutPolicy = "app-without-policy"
        case approvalUnsound = "approval-unsound"
        case jobUnattended = "job-unattended"
        case mode
        case owner
        case artifactMissing = "artifact-missing"
        case artifactDamaged = "artifact-damaged"
        case descriptionDamaged = "description-damaged"
        case artifactUnknown = "artifact-unknown"
        case targetMissing = "target-missing"
        case targetForeign = "target-foreign"
        case targetToken = "target-token"
        case targetLeftover = "target-leftover"
        case currentDiffers = "current-differs"
        case releaseMissing = "release-missing"
        case releaseUnknown = "release-unknown"
        case releaseDamaged = "release-damaged"
        case installedDiffers = "installed-differs"
        case manifestMissing = "manifest-missing"
        case repositoryUnreadable = "repository-unreadable"
        case commitMissing = "commit-missing"
        case stateReference = "state-reference"
        case stateNote = "state-note"
        case keepReference = "keep-reference"
        case referenceMoved = "reference-moved"
        case hook
        case setting
        case spoolUnreadable = "spool-unreadable"
        case spoolWaiting = "spool-waiting"
        case spoolLeftover = "spool-leftover"
        case workspaceLeft = "workspace-left"
        case processLeft = "process-left"
    }

    public let code: Code
    public let severity: Severity
    /// A path, a reference or a name of the ledger.
    public let place: String
    public let what: String
    /// The next step, for a person.
    public let remedy: String
    let repair: Repair?

    public var isRepairable: Bool { repair != nil }

    init(
        _ code: Code, _ severity: Severity = .error, at place: String, _ what: String, remedy: String,
        repair: Repair? = nil
    ) {
        self.code = code
        self.severity = severity
        self.place = visibleLine(place)
        self.what = visibleLine(what)
        self.remedy = visibleLine(remedy)
        self.repair = repair
    }
}

/// What mends a finding, as a value; ``Mending`` does it.
enum Repair: Hashable, Sendable {
    case setMode(String, mode_t)
    case removeFile(String)
    /// Below the home, where nobody but a worker writes.
    case removeTree(String)
    /// Below a target, under its lock.
    case removeFromTarget(String, name: String)
    case pointCurrent(String, TargetOwner, release: String)
    case writeOwner(String, TargetOwner)
    /// Hook, settings and the ledger's row, as init makes them.
    case setUp(app: String)
    case references(app: String)
    case endProcesses(mark: String)
}
