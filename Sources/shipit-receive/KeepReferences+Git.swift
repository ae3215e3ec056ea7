import Glibc

extension KeepReferences {
    func writeWithGit(in repository: RepositoryFolder) throws(SystemError) {
        let lines = ids.map { String(decoding: $0, as: UTF8.self) }.map { "update refs/shipit/keep/\($0) \($0)\n" }
        let input = try MemoryFile(containing: Array(lines.joined().utf8))
        var git = Program(path: Self.gitPath)
        git.arguments = [
            Array("-c".utf8), Array("core.hooksPath=/dev/null".utf8), Array("--git-dir=".utf8) + repository.path,
            Array("update-ref".utf8), Array("--stdin".utf8),
        ]
        git.environment = [Array(ShipitProgram.path.utf8), Array("LANG=C".utf8)]
        git.input = input.descriptor
        git.isSilent = true
        let status = try git.start().wait()
        guard status == 0 else { throw SystemError(operation: "run git update-ref", code: EIO) }
    }

    /// The git that called us knows how this repository keeps its references.
    private static var gitPath: [UInt8] {
        guard let folder = Variable.value("GIT_EXEC_PATH"), folder.first == UInt8(ascii: "/") else {
            return Array("/usr/bin/git".utf8)
        }
        return folder + Array("/git".utf8)
    }
}
