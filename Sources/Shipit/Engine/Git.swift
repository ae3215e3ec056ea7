import CLinux
import Glibc

/// The git program, for what must be written as git writes it.
enum Git {
    /// Nothing of ours, and nothing of the user's own configuration.
    static let environment = Command.plainEnvironment.merging([
        "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
    ]) { $1 }

    /// Runs as the repository's owner when we are root.
    static func command(_ arguments: [String], in repository: String) -> Command {
        var user: User?
        if geteuid() == 0, let status = FileSystem.status(repository), status.st_uid != 0 {
            user =
                User.named(by: status.st_uid)
                ?? User(name: "uid \(status.st_uid)", uid: status.st_uid, gid: status.st_gid, home: "/")
        }
        return Command("/usr/bin/git", ["--git-dir=\(repository)"] + arguments, environment: environment, as: user)
    }

    /// Hands bytes over on its standard input.
    static func run(_ arguments: [String], feeding bytes: [UInt8], in repository: String) async throws -> Outcome {
        let pipe = try Pipe()
        async let feeding: Void = onThread {
            // git ends early on a bad line; then its status says so.
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { write(pipe.writeEnd, $0.baseAddress, $0.count) }
                if count < 0, errno == EINTR { continue }
                if count <= 0 { break }
                rest = rest.dropFirst(count)
            }
            close(pipe.writeEnd)
        }
        let outcome = try await Program.run(
            command(arguments, in: repository), limit: .seconds(60),
            streams: Program.Streams(input: pipe.readEnd, output: nil)
        ) { _ in }
        await feeding
        return outcome
    }
}
