import ArtifactKit
import CLinux
import Glibc

/// What two releases of a target must have in common, besides files, for one to be made of the other.
struct SpareKind: Hashable, Sendable {
    /// As root, a release belongs to the owner of the target, as whom its hook scripts run; else to who makes it.
    let owner: Owner?
    let digest: Digest

    init(owner status: ArtifactKit.Status, shared: [SharedPath]) {
        owner =
            geteuid() == 0 && (status.owner != 0 || status.group != 0)
            ? Owner(user: status.owner, group: status.group) : nil
        let whose = owner ?? Owner(user: geteuid(), group: getegid())
        digest = Digest.of("\(whose.user) \(whose.group) \(shared.map(\.written).joined(separator: "\n"))".utf8)
    }

    /// Whom the files belong to in any case.
    var holder: Owner { owner ?? Owner(user: geteuid(), group: getegid()) }

    /// The top of a release; what is in it was given when it was made.
    func give(_ release: Directory) throws {
        guard let owner else { return }
        guard fchown(release.descriptor, owner.user, owner.group) == 0 else {
            throw ShipitError(.failure, "could not give \(release.path) to its owner: \(systemReason(errno))")
        }
    }
}
