import Foundation

/// How the recording shipit was called.
struct Call {
    let pid: Int32?
    let arguments: [String]
    let environment: [String]
    let descriptors: [String]
    let folder: String

    init?(at path: String) {
        func lines(_ name: String) -> [String] {
            // A file that is not there has no lines.
            let text = (try? String(contentsOfFile: path + "/" + name, encoding: .utf8)) ?? ""
            return text.split(separator: "\n").map(String.init)
        }
        guard let pid = lines("pid").first else { return nil }
        self.pid = Int32(pid)
        arguments = lines("arguments")
        environment = lines("environment")
        descriptors = lines("descriptors").filter { !$0.hasSuffix("/shipit") && !$0.hasSuffix("/descriptors") }
        folder = lines("folder").first ?? ""
    }
}
