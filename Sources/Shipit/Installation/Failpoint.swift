import Glibc

/// A named step at which a test may stop, kill or fail shipit: `SHIPIT_FAILPOINT=name:kill`, `name:stop`,
/// `name:error=ENOSPC`. Inert unless the variable is set.
public enum Failpoint: String, Hashable, Sendable, CaseIterable {
    case ingestBeforeLedger = "ingest-before-ledger"
    case ingestAfterLedger = "ingest-after-ledger"
    case cacheTaken = "cache-taken"
    case cacheBeforeSave = "cache-before-save"
    case workspaceTaken = "workspace-taken"
    case workspaceBeforeKept = "workspace-before-kept"
    case buildExported = "build-exported"
    case buildBeforePack = "build-before-pack"
    case packBeforeRename = "pack-before-rename"
    case packAfterRename = "pack-after-rename"
    case buildBeforeFinish = "build-before-finish"
    case buildAfterFinish = "build-after-finish"
    case deployTaken = "deploy-taken"
    case deployPrepared = "deploy-prepared"
    case deployJournalled = "deploy-journalled"
    case deployStopped = "deploy-stopped"
    case deployScriptsRan = "deploy-scripts-ran"
    case deployReady = "deploy-ready"
    case deployBeforeSwitch = "deploy-before-switch"
    case deployAfterSwitch = "deploy-after-switch"
    case deployStarted = "deploy-started"
    case deployValidated = "deploy-validated"
    case deployResultWritten = "deploy-result-written"
    case deployBeforeFinish = "deploy-before-finish"
    case deployAfterFinish = "deploy-after-finish"
    case installStaged = "install-staged"
    case installJournalled = "install-journalled"
    case installExchanged = "install-exchanged"
    case installDone = "install-done"
    case installPutBack = "install-put-back"
    case putBackBegan = "put-back-began"
    case putBackSwitched = "put-back-switched"
    case recoveryBegan = "recovery-began"
    case retentionBeforeRemove = "retention-before-remove"
    case spareBeforeRename = "spare-before-rename"
    case notifyDelivered = "notify-delivered"

    /// Read once: the environment of a process does not change.
    private static let wanted: (name: Substring, action: Substring)? = {
        guard let value = getenv("SHIPIT_FAILPOINT") else { return nil }
        let parts = String(cString: value).split(separator: ":", maxSplits: 1)
        return parts.count == 2 ? (parts[0], parts[1]) : nil
    }()

    /// Does what the test asked for here, if it asked for this one.
    func reach() throws {
        guard let wanted = Self.wanted, wanted.name == rawValue else { return }
        switch wanted.action {
        case "kill": kill(getpid(), SIGKILL)
        // To this thread, not to the process: another one that took the signal would let this one go on a little.
        case "stop": raise(SIGSTOP)
        default:
            guard wanted.action.hasPrefix("error=") else { return }
            let code = Self.codes[String(wanted.action.dropFirst("error=".count))] ?? EIO
            throw ShipitError(.failure, "could not pass \(rawValue): \(systemReason(code))")
        }
    }

    private static let codes = [
        "ENOSPC": ENOSPC, "EIO": EIO, "EMFILE": EMFILE, "EACCES": EACCES, "EROFS": EROFS, "EDQUOT": EDQUOT,
    ]
}
