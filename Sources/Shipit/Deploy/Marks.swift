import ArtifactKit
import CLinux
import Glibc

/// The file by which hook scripts mark the deployment that runs: a line for each `shipit mark`.
///
/// It is in the target's own folder, which scripts cannot write, and belongs to whom the script runs as. It stays from
/// script to script, so that what one said survives whatever dies, until the deployment's result says it.
public final class Marks: Sendable {
    /// Names the file to scripts.
    public static let variable = "SHIPIT_MARKS"
    static let limit = 16 << 10
    static let wordsLimit = 500

    private let folder: Int32
    private let path: String
    private let name: String

    /// `own`: a target's folder for what is shipit's.
    init(in own: Directory, of deployment: Int64) throws {
        folder = fcntl(own.descriptor, F_DUPFD_CLOEXEC, 3)
        guard folder >= 0 else { throw ShipitError(.failure, "could not open \(own.path): \(systemReason(errno))") }
        path = own.path
        name = "marks-\(deployment)"
    }

    deinit { close(folder) }

    // MARK: The worker's side

    /// Makes the file for the next script, with what others said before; gives its path.
    func open(for user: User?) throws -> String {
        let before = lines.joined().utf8
        let aside = "\(name).new"
        unlinkat(folder, aside, 0)
        let file = openat(folder, aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw failure("make") }
        defer { close(file) }
        let bytes = Array(before)
        guard write(file, bytes, bytes.count) == bytes.count,
            user.map({ fchown(file, $0.uid, $0.gid) == 0 }) ?? true,
            renameat(folder, aside, folder, name) == 0
        else { throw failure("write") }
        return "\(path)/\(name)"
    }

    /// Why nobody can go back over the deployment; nil when no script said so.
    var irreversible: String? {
        lines.first.map { line in
            let words = visibleLine(String(line.dropLast().dropFirst(Self.word.count)).trimmed.prefix(Self.wordsLimit))
            return words.isEmpty ? "no reason was given" : words
        }
    }

    /// The deployment's result says it now. A file that stays is overwritten by the next attempt.
    func remove() { unlinkat(folder, name, 0) }

    private static let word = "irreversible"

    /// Those of the known form, each with its line end; a script can write anything.
    private var lines: [String] {
        let file = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else { return [] }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return [] }
        var bytes = [UInt8](repeating: 0, count: Self.limit)
        let text = String(decoding: bytes[..<max(0, read(file, &bytes, bytes.count))], as: UTF8.self)
        return text.split(separator: "\n").filter { $0 == Self.word || $0.hasPrefix("\(Self.word) ") }
            .map { "\($0.prefix(Self.word.count + 1 + Self.wordsLimit))\n" }
    }

    private func failure(_ what: String) -> ShipitError {
        ShipitError(.failure, "could not \(what) \(path)/\(name), by which scripts mark: \(systemReason(errno))")
    }

    // MARK: The script's side

    /// What `shipit mark irreversible` does inside of a hook script, as whoever that runs as.
    public static func append(irreversible reason: String?, to path: String) throws {
        let file = Glibc.open(path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else {
            throw ShipitError(
                .failure, "could not mark the deployment: \(visibleLine(path)): \(systemReason(errno))",
                hint: "\(variable) is the deployment's, and is good until its hook script ends")
        }
        defer { close(file) }
        let words = reason.map { " \(visibleLine($0).prefix(wordsLimit))" } ?? ""
        let line = Array("\(word)\(words)\n".utf8)
        guard write(file, line, line.count) == line.count, fsync(file) == 0 else {
            throw ShipitError(.failure, "could not mark the deployment: \(systemReason(errno))")
        }
    }

    /// A script's PATH, with the folder of this program at its end where nothing else is called shipit.
    static func findingShipit(_ path: String) -> String {
        guard let own = ownFolder, !path.split(separator: ":").contains(where: { access("\($0)/shipit", X_OK) == 0 })
        else { return path }
        return path.isEmpty ? own : "\(path):\(own)"
    }

    /// Where this program is; nil when it is called something else, or was replaced meanwhile.
    private static let ownFolder: String? = {
        guard let program = FileSystem.realPath("/proc/self/exe"), program.hasSuffix("/shipit"), !program.contains(":")
        else { return nil }
        return String(program.dropLast("/shipit".count))
    }()
}
