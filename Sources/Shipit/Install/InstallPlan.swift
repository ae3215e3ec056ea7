import ArtifactKit

/// What an installation does to the machine, all of it decided before anything is touched (AWS reference 1.6).
///
/// Paths are relative: sources to the revision, everything else to the root that is installed to.
struct InstallPlan: Hashable, Sendable {
    /// Something that an earlier deployment brought and that goes first.
    struct Removal: Hashable, Sendable {
        var path: [UInt8]
        var isFolder: Bool
    }

    struct Copy: Hashable, Sendable {
        var source: [UInt8]
        var destination: [UInt8]
        /// What the cleanup list says: another than the destination where a folder stood in the way and took the file in.
        var recorded: [UInt8]
        /// A link is made anew, word for word.
        var isLink: Bool
        /// Whether something is there that goes, and was of no earlier deployment.
        var replaces: Bool
    }

    /// A change of what the plan itself brings.
    struct Change: Hashable, Sendable {
        var path: [UInt8]
        var isFolder: Bool
        var mode: UInt16?
        var acls: [AccessEntry] = []
        var context: SecurityContext?
        var owner: String?
        var group: String?
    }

    var removals: [Removal] = []
    /// Contexts that semanage was told of and is to forget.
    var forgottenContexts: [[UInt8]] = []
    /// To be made, each after the one that it lies in.
    var folders: [[UInt8]] = []
    var copies: [Copy] = []
    var changes: [Change] = []
    /// What was noticed and stops nothing.
    var remarks: [String] = []

    /// What this deployment will have brought, in the agent's order: folders of a mapping, then its files.
    var cleanup = CleanupList()
}
