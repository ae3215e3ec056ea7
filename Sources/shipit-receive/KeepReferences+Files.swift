import CLinux
import Glibc

extension KeepReferences {
    func writeFiles(in repository: RepositoryFolder) throws(SystemError) {
        let root = try SharedFolder(opening: "refs", in: repository.descriptor)
        // Git removes empty reference folders at any time, also between our making and using them.
        for attempt in 1... {
            do throws(SystemError) {
                let folder = try root.folder("shipit").folder("keep")
                // All are written before the first is waited for.
                var files: [(file: Int32, name: String)] = []
                for id in ids {
                    let name = String(decoding: id, as: UTF8.self)
                    if let file = try folder.makeFile(named: name, content: id + [UInt8(ascii: "\n")]) {
                        files.append((file, name))
                    }
                }
                for (file, name) in files { try folder.name(file, name) }
                return
            } catch {
                guard error.code == ENOENT, attempt < 5 else { throw error }
            }
        }
    }
}
