import Glibc
import Synchronization

/// One shell session's worth of state around a build's commands: working directory and exported variables.
///
/// A fixed driver runs inside the walls and takes the numbers of commands on its standard input; each command is a file.
/// When the session ends, nothing that a command left running survives.
final class BuildSession: Sendable {
    private let commands: Pipe
    private let statuses: Pipe
    let control: String
    private let count = Mutex(0)

    init(control: String, secrets: [String: String], isFresh: Bool) throws {
        self.control = control
        let lines = secrets.sorted { $0.key < $1.key }.map {
            "export \($0.key)='\($0.value.replacing("'", with: "'\\''"))'\n"
        }
        try FileSystem.write("\(control)/secrets", Array(lines.joined().utf8), mode: 0o644, sync: false)
        commands = try Pipe()
        statuses = try Pipe()
        try FileSystem.write(
            "\(control)/driver", Array((isFresh ? Self.freshDriver : Self.driver).utf8), mode: 0o644, sync: false)
    }

    /// Variables, exported or not, and the working directory are kept after every command, also after one that called
    /// `exit`; in bash functions and options too. Public buildspecs set `TAG=…` in one command and use it in the next.
    ///
    /// A command may trace what it does, name its functions as it likes and have a trap of its own: what is kept when it
    /// comes to its end is kept before that trap runs. What bash lets nobody set would end the next command.
    static let driver = #"""
        exec 3>&1 1>&2
        . "$SHIPIT_CONTROL/secrets"
        /bin/rm "$SHIPIT_CONTROL/secrets"
        shipit_keep() {
            set +efu
            shipit_kept=1
            if [ -n "${BASH_VERSION-}" ]; then
                builtin shopt -p >"$SHIPIT_CONTROL/options"
                builtin declare -f >"$SHIPIT_CONTROL/functions"
                builtin declare -p | /bin/sed -E '/^declare [^ ]+ (BASH[A-Z_]*|DIRSTACK|EUID|FUNCNAME|GROUPS|PIPESTATUS|PPID|SHELLOPTS|UID)=/d'
            else
                set
            fi >"$SHIPIT_CONTROL/variables" && command export -p >"$SHIPIT_CONTROL/environment" &&
                command pwd -P >"$SHIPIT_CONTROL/directory"
        }
        while read -r shipit_number; do
            (
                exec 3>&- </dev/null
                if [ -f "$SHIPIT_CONTROL/directory" ]; then
                    if [ -n "${BASH_VERSION-}" ]; then
                        . "$SHIPIT_CONTROL/options"
                        . "$SHIPIT_CONTROL/functions"
                    fi
                    . "$SHIPIT_CONTROL/variables" 2>/dev/null
                    . "$SHIPIT_CONTROL/environment"
                    command cd "$(/bin/cat "$SHIPIT_CONTROL/directory")" || exit 1
                fi
                . "$SHIPIT_CONTROL/settings"
                trap '{ shipit_status=$?; set +x; } 2>/dev/null; [ "$shipit_kept" = 1 ] || shipit_keep; exit $shipit_status' EXIT
                . "$SHIPIT_CONTROL/command.$shipit_number"
                { shipit_status=$?; set +x; } 2>/dev/null
                shipit_keep
                exit $shipit_status
            )
            echo "$shipit_number $?" >&3
        done
        """#

    /// For version 0.1, where a command knows nothing of those before it.
    static let freshDriver = """
        exec 3>&1 1>&2
        . "$SHIPIT_CONTROL/secrets"
        /bin/rm "$SHIPIT_CONTROL/secrets"
        while read -r shipit_number; do
            (
                exec 3>&- </dev/null
                . "$SHIPIT_CONTROL/settings"
                . "$SHIPIT_CONTROL/command.$shipit_number"
            )
            echo "$shipit_number $?" >&3
        done
        """

    /// Runs `steps` with the session open around them, and ends it whatever they do.
    ///
    /// `secrets` come by a file of the workspace, which only the build's user can reach: everybody on the machine can
    /// read the arguments of what builds the walls. The outcome says whether the session itself was stopped: by its deadline, or because the task was cancelled.
    static func open<Value: Sendable>(
        _ driver: Command, control: String, secrets: [String: String], isFresh: Bool = false, limit: Duration,
        cancellation: Cancellation,
        output: @escaping @Sendable (UnsafeRawBufferPointer) -> Void,
        _ steps: @escaping @Sendable (BuildSession) async throws -> Value
    ) async throws -> (outcome: Outcome, value: Value) {
        let session = try BuildSession(control: control, secrets: secrets, isFresh: isFresh)
        let streams = Program.Streams(input: session.commands.readEnd, output: session.statuses.writeEnd)
        async let running = Program.run(
            driver, limit: limit, streams: streams, cancellation: cancellation, output: output)
        // The steps end by themselves when the driver does: then no status comes any more.
        let value = await Task { try await steps(session) }.result
        close(session.commands.writeEnd)
        let outcome = try await running
        session.statuses.closeReadEnd()
        if let mark = driver.mark { ProcessSweep.end(marked: mark) }
        return (outcome, try value.get())
    }

    /// Runs one command; nil when the session ended before the command did.
    func run(_ text: String, succeeding: Bool) async throws -> Int32? {
        let number = count.withLock { count in
            count += 1
            return count
        }
        try FileSystem.write("\(control)/command.\(number)", Array("\(text)\n".utf8), mode: 0o644, sync: false)
        // The number too: what was kept has the one before.
        let settings = """
            CODEBUILD_BUILD_SUCCEEDING=\(succeeding ? 1 : 0)
            export CODEBUILD_BUILD_SUCCEEDING
            shipit_number=\(number)
            shipit_kept=

            """
        try FileSystem.write("\(control)/settings", Array(settings.utf8), mode: 0o644, sync: false)
        let (input, output) = (commands.writeEnd, statuses.readEnd)
        return await onThread {
            let line = Array("\(number)\n".utf8)
            guard write(input, line, line.count) == line.count else { return nil }
            var answer: [UInt8] = []
            var byte: UInt8 = 0
            while true {
                let count = read(output, &byte, 1)
                if count < 0, errno == EINTR { continue }
                guard count == 1, answer.count < 64 else { return nil }
                if byte == UInt8(ascii: "\n") { break }
                answer.append(byte)
            }
            let words = String(decoding: answer, as: UTF8.self).split(separator: " ")
            return words.count == 2 && words[0] == "\(number)" ? Int32(words[1]) : nil
        }
    }
}
