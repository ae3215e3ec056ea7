// Writes one Swift file that holds every file of some folders: EmbedFilesTool OUTPUT TOP FOLDER…
//
// Each file becomes one string literal, which compiles far faster than an array of bytes. A literal holds text alone,
// so a file that is not UTF-8, a link or anything else out of the ordinary is refused by name.

import FoundationEssentials
import Glibc

struct Refusal: Error {
    let path: String
    let reason: String
}

struct File {
    let path: String
    let isExecutable: Bool
    let content: String
}

/// Every file below `path`, which is relative to `top`, in the order of their names' bytes.
func files(below path: String, top: String) throws -> [File] {
    let names = try FileManager.default.contentsOfDirectory(atPath: "\(top)/\(path)")
    return try names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.flatMap { name in
        let child = "\(path)/\(name)"
        var status = stat()
        guard lstat("\(top)/\(child)", &status) == 0 else {
            throw Refusal(path: child, reason: String(cString: strerror(errno)))
        }
        switch status.st_mode & S_IFMT {
        case S_IFDIR: return try files(below: child, top: top)
        case S_IFREG: return [try file(at: child, top: top, mode: status.st_mode)]
        default: throw Refusal(path: child, reason: "neither a file nor a folder")
        }
    }
}

func file(at path: String, top: String, mode: mode_t) throws -> File {
    let bytes = try Data(contentsOf: URL(filePath: "\(top)/\(path)"))
    guard !bytes.contains(0), let content = String(validating: bytes, as: UTF8.self) else {
        throw Refusal(path: path, reason: "not text")
    }
    return File(path: path, isExecutable: mode & S_IXUSR != 0, content: content)
}

/// A literal with more number signs than the text has in a row, so that nothing in the text can end it or escape.
/// Control characters are spelled out: the compiler refuses most of them and turns CR LF into LF.
func literal(_ text: String) -> String {
    var longest = 0
    var current = 0
    for byte in text.utf8 {
        current = byte == UInt8(ascii: "#") ? current + 1 : 0
        longest = max(longest, current)
    }
    let signs = String(repeating: "#", count: longest + 1)
    var lines = ""
    for scalar in text.unicodeScalars {
        switch scalar.value {
        case 0x09, 0x0A: lines.unicodeScalars.append(scalar)
        case 0..<0x20, 0x7F: lines += "\\\(signs)u{\(String(scalar.value, radix: 16))}"
        default: lines.unicodeScalars.append(scalar)
        }
    }
    return "\(signs)\"\"\"\n\(lines)\n\"\"\"\(signs)"
}

func source(_ files: [File]) -> String {
    """
    // Made by the plugin EmbedFiles. Edit the files below hooks/ and templates/ instead.

    /// A file that travels inside the program.
    struct EmbeddedFile: Hashable, Sendable {
        /// Relative to the top of shipit's own repository: `templates/python/repository/appspec.yml`.
        let path: String
        let isExecutable: Bool
        let content: String
    }

    enum EmbeddedFiles {
        /// Sorted by path, folder by folder.
        static let all: [EmbeddedFile] = [

    """
        + files.map {
            "EmbeddedFile(path: \(literal($0.path)), isExecutable: \($0.isExecutable), content: \(literal($0.content))),\n"
        }.joined() + "    ]\n}\n"
}

do {
    let arguments = Array(CommandLine.arguments.dropFirst())
    guard arguments.count > 2 else {
        throw Refusal(path: "nothing", reason: "the arguments are OUTPUT TOP FOLDER…")
    }
    let embedded = try arguments.dropFirst(2).sorted().flatMap { try files(below: $0, top: arguments[1]) }
    let text = Data(source(embedded).utf8)
    let output = URL(filePath: arguments[0])
    // Written only if it differs, or every build would compile it. What cannot be read is not there yet.
    // A file that cannot be read is written anew, and then its error is told.
    if (try? Data(contentsOf: output)) != text {
        try text.write(to: output, options: .atomic)
    }
} catch let refusal as Refusal {
    let message = "error: could not embed \(refusal.path): \(refusal.reason)\n"
    _ = message.withCString { write(STDERR_FILENO, $0, strlen($0)) }
    exit(1)
}
