import CLinux
import Glibc

extension KeepReferences {
    func writeFiles(in repository: RepositoryFolder) throws(SystemError) {
        let root = try SharedFolder(opening: "refs", in: repository.descriptor)
        // Git removes empty reference folders at any time, also between our making and using them.
        for attempt in 1... {
            do throws(SystemError) {
                let folder = try root.folder("shipit").folder("keep")
                for id in ids { try folder.addFile(named: id, content: id + [UInt8(ascii: "\n")]) }
                return
            } catch {
                guard error.code == ENOENT, attempt < 5 else { throw error }
            }
        }
    }
}
