import ArtifactKit

extension BuildSession {
    /// What shipit asks inside of the walls: fixed scripts, which find what they are about in files.
    ///
    /// Programs are named by their paths, since PATH is the build's by then.
    enum Question: String, Sendable {
        /// Whether a text matches a pattern: 0 yes, 1 no, else it is none.
        case match = """
            /usr/bin/grep -qP -f "$SHIPIT_CONTROL/pattern" "$SHIPIT_CONTROL/message" 2>/dev/null ||
            { [ $? -eq 2 ] && /usr/bin/grep -qE -f "$SHIPIT_CONTROL/pattern" "$SHIPIT_CONTROL/message" 2>/dev/null; }
            """
        /// All exported variables, and those of these names whether they are exported or not.
        case environment = """
            { /usr/bin/env -0; while read -r shipit_name; do
                eval "if [ -n \\"\\${$shipit_name+x}\\" ]; then printf '%s=%s\\0' $shipit_name \\"\\$$shipit_name\\"; fi"
            done <"$SHIPIT_CONTROL/names"; } >"$SHIPIT_CONTROL/answer"
            """
        /// A text as the shell reads it between double quotes.
        case expand = """
            eval "printf %s \\"$(/bin/cat "$SHIPIT_CONTROL/text")\\"" >"$SHIPIT_CONTROL/answer" 2>/dev/null
            """
        /// The versions of those languages that are wanted, a line each.
        case runtimes = """
            shipit_say() { shipit_name=$1; shift
                if /usr/bin/grep -qx "$shipit_name" "$SHIPIT_CONTROL/wanted" && command -v "$1" >/dev/null 2>&1; then
                printf '%s %s\\n' "$shipit_name" "$("$@" 2>&1 </dev/null | /usr/bin/tr '\\n' ' ')"; fi; }
            { shipit_say nodejs node --version; shipit_say python python3 --version; shipit_say java java -version; shipit_say golang go version
            shipit_say ruby ruby --version; shipit_say php php --version; shipit_say dotnet dotnet --version; shipit_say docker docker --version
            } >"$SHIPIT_CONTROL/answer"
            """
    }

    /// Asks with these files; nil when the session ended. What the answer says may be anything.
    func ask(_ question: Question, _ files: [String: String] = [:]) async throws -> Int32? {
        let directory = try Directory(path: control)
        for (name, text) in files {
            try directory.writeAtomically(Array(name.utf8), Array(text.utf8), mode: 0o644, sync: false)
        }
        return try await run(question.rawValue, succeeding: true)
    }

    /// What it wrote; nil when that is no plain file of at most a mebibyte.
    func answer(_ question: Question) -> [UInt8]? {
        // A build can put a link or a pipe there: it is not followed, and nobody waits for it.
        try? Directory(path: control).readFile(Array("answer".utf8), limit: 1 << 20)
    }
}
