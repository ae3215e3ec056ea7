import Glibc

/// A line of `/etc/passwd` (passwd(5)). Read by hand, since this program is linked statically, so that it starts in half
/// the time, and glibc's own lookup then wants to load modules.
struct Account: Hashable {
    let name: [UInt8]
    let home: [UInt8]

    /// Nil for users who are kept elsewhere.
    init?(of user: uid_t, in table: String = "/etc/passwd") {
        guard let lines = fopen(table, "re") else { return nil }
        defer { fclose(lines) }
        var line: UnsafeMutablePointer<CChar>?, capacity = 0
        defer { free(line) }
        while getline(&line, &capacity, lines) > 0, let line {
            let fields = UnsafeRawBufferPointer(start: line, count: strcspn(line, "\n"))
                .split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
            guard fields.count == 7, uid_t(String(decoding: fields[2], as: UTF8.self)) == user else { continue }
            name = Array(fields[0])
            home = Array(fields[5])
            return
        }
        return nil
    }
}
