import ArtifactKit
import GitKit
import Glibc

/// What is kept beside an artifact, compared with what its description says.
extension ArtifactStore {
    func hasAllSecondaries(of file: String) -> Bool {
        // Without a description nobody knows of any; what cannot be read is not there.
        ((try? description(of: file))?.provenance.secondary ?? []).allSatisfy {
            (try? Digest.ofFile(at: path($0.file(beside: file))).digest) == $0.digest  // as above
        }
    }

    /// Of each artifact of the revision, by its tarball's name.
    func recordedSecondaries(of revision: Revision) -> [String: [SecondaryArtifact]] {
        var recorded: [String: [SecondaryArtifact]] = [:]
        for name in FileSystem.names(in: folder) where name.hasPrefix(revision.hex) && name.hasSuffix(".json") {
            let file = "\(name.dropLast(".json".count)).tar.zst"
            // One that is damaged says nothing that could differ.
            recorded[file] = (try? description(of: file))?.provenance.secondary
        }
        return recorded
    }

    /// Removes those that this build did not make, and gives words for what is other than `before`.
    func settleSecondaries(_ made: [SecondaryArtifact], before: [SecondaryArtifact], of file: String) -> [String] {
        var words: [String] = []
        for one in made where before.contains(where: { $0.identifier == one.identifier && $0.digest != one.digest }) {
            words.append(
                "this build gave other bytes for the secondary artifact \(one.identifier) than an earlier one of the same commit; the new ones are kept"
            )
        }
        let names = Set(made.map { $0.file(beside: file) })
        for name in secondaries(of: file).sorted() where !names.contains(name) {
            unlink(path(name))
            words.append("the secondary artifact \(name) is removed: this build of the same commit does not make it")
        }
        return words
    }
}

extension ArtifactDescription {
    /// In bytes, with secondary artifacts.
    var sizeOfAll: Int64 { (provenance.secondary ?? []).reduce(size) { $0 + $1.size } }
}
