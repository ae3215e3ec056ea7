import CLinux
import Glibc
import Spool

/// The git directory that was pushed to, held open.
final class RepositoryFolder {
    /// Absolute and real, as bytes.
    let path: [UInt8]
    let descriptor: Int32

    /// Git sets GIT_DIR, to a path that is relative to our working directory.
    init() throws(SystemError) {
        let given = Variable.value("GIT_DIR") ?? [UInt8(ascii: ".")]
        guard let real = realpath(given.map { CChar(bitPattern: $0) } + [0], nil) else {
            throw SystemError(operation: "find the repository", code: errno)
        }
        defer { free(real) }
        path = Array(UnsafeRawBufferPointer(start: real, count: strlen(real)))
        descriptor = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SystemError(operation: "open the repository", code: errno) }
    }

    deinit { close(descriptor) }

    /// Git makes the changed files durable at best, but not the folders that name them.
    ///
    /// Where git keeps things as we know it, only those folders are synced: a sync of the whole file system also waits
    /// for whatever others are writing.
    /// `sharesJournal`: the references that shipit added are synced by the caller, once the push has its name, which
    /// costs one wait less.
    func makeDurable(_ updates: [Push.Update], sharesJournal: Bool) throws(SystemError) {
        if syncsFiles, keepsReferencesAsFiles, let folders = changedFolders(updates) {
            for folder in folders { try sync(folder) }
            if !sharesJournal { try syncKeepReferences() }
            return
        }
        guard linux_syncfs(descriptor) == 0 else {
            throw SystemError(operation: "make the repository durable", code: errno)
        }
    }

    /// Whether a sync of the one is, on the usual file systems, one of the other.
    func sharesJournal(with device: UInt64) -> Bool {
        var status = stat()
        return fstat(descriptor, &status) == 0 && UInt64(status.st_dev) == device
    }

    func syncKeepReferences() throws(SystemError) {
        for folder in ["refs/shipit/keep", "refs/shipit", "refs"] { try sync(folder) }
    }

    private func sync(_ folder: String) throws(SystemError) {
        let descriptor = openat(self.descriptor, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            // Git removes empty folders of references at any time.
            if errno == ENOENT { return }
            throw SystemError(operation: "open \(folder) of the repository", code: errno)
        }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else {
            throw SystemError(operation: "make \(folder) of the repository durable", code: errno)
        }
    }

    /// Folders of references that the push named, and of objects that changed since git began with it.
    private func changedFolders(_ updates: [Push.Update]) -> Set<String>? {
        guard let age = ParentProcess.age else { return nil }
        // Files are stamped with a clock that ticks.
        let began = linux_nanoseconds(CLOCK_REALTIME) - age - 1_000_000_000
        var folders: Set<String> = ["."]
        for update in updates {
            var name = update.reference[...]
            while let slash = name.lastIndex(of: UInt8(ascii: "/")) {
                name = name[..<slash]
                folders.insert(String(decoding: name, as: UTF8.self))
            }
        }
        let digits = Array("0123456789abcdef")
        let names = ["objects", "objects/pack"] + digits.flatMap { one in digits.map { "objects/\(one)\($0)" } }
        for name in names where linux_folder_changed(descriptor, name) >= began { folders.insert(name) }
        return folders
    }

    /// `core.fsync` is `all`, as shipit sets it, so that the files themselves are durable.
    private var syncsFiles: Bool {
        guard let settings = configuration else { return false }
        let lines = settings.split(separator: UInt8(ascii: "\n")).map { line in
            line.filter { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\t") }.map { $0 | 0x20 }
        }
        // Anything else that is said of it could take it back.
        let said = lines.filter { $0.starts(with: "fsync".utf8) }
        return said.count == 1 && said[0].elementsEqual("fsync=all".utf8)
    }

    /// Whether references are plain files below `refs`, as far as we dare to tell; if not, git must write them.
    var keepsReferencesAsFiles: Bool {
        guard faccessat(descriptor, "commondir", F_OK, 0) != 0, let settings = configuration else { return false }
        let word = Array("refstorage".utf8)
        return !settings.indices.contains { start in
            settings[start...].lazy.map { $0 | 0x20 }.starts(with: word)
        }
    }

    /// The repository's own config file, where git wants extensions to stand; nil when it is no file of at most a mebibyte.
    private lazy var configuration: [UInt8]? = {
        let file = openat(descriptor, "config", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size <= 1 << 20 else {
            return nil
        }
        // One byte more shows whether it grew.
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size) + 1)
        let count = read(file, &bytes, bytes.count)
        return count >= 0 && count < bytes.count ? Array(bytes[..<count]) : nil
    }()
}
