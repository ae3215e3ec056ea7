import ArtifactKit
import Glibc

/// The folder that the demo plays in: made by it, and removed by it.
struct DemoFolder: Sendable {
    let path: String

    init(_ path: String) { self.path = path }

    /// A name that nobody else has, below TMPDIR.
    static func name(_ variables: [String: String]) -> String {
        let base = variables["TMPDIR"].flatMap { $0.hasPrefix("/") ? $0.normalisedPath : nil } ?? "/tmp"
        return "\(base)/shipit-demo-\(getpid())"
    }

    func make() throws {
        if mkdir(path, 0o755) != 0 {
            guard errno == EEXIST, FileSystem.isFolder(path) else {
                throw ShipitError(.failure, "could not make the folder \(visibleLine(path)): \(systemReason(errno))")
            }
            guard FileSystem.names(in: path).isEmpty else {
                throw ShipitError(
                    .usage, "\(visibleLine(path)) is not empty", hint: "--folder wants a new folder, or an empty one")
            }
        }
        // Whatever the umask: builds of a root-owned shipit run as another user and pass through here.
        chmod(path, 0o755)
    }

    /// Ends what was started for this folder: servers at once, the worker when it does not end by itself.
    func endProcesses(servedFrom home: String) async throws {
        let began = ContinuousClock.now
        while true {
            let found = ProcessSweep.processes(naming: path)
            if found.isEmpty { return }
            let time = ContinuousClock.now - began
            // A worker may still start servers again, so those are asked when it is gone.
            let workers = found.filter { ProcessSweep.environment(of: $0, holds: "SHIPIT_HOME=\(home)") }
            if time > .seconds(20) {
                for pid in found { kill(pid, SIGKILL) }
            } else if workers.isEmpty || time > .seconds(5) {
                for pid in workers.isEmpty ? found : workers { kill(pid, SIGTERM) }
            }
            guard time < .seconds(30) else {
                throw ShipitError(
                    .failure, "these processes could not be ended: \(found.map(String.init).joined(separator: " "))",
                    hint: "everything is still in \(path)")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    func remove() throws {
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        let parent = slash == path.startIndex ? "/" : String(path[..<slash])
        try Directory(path: parent).removeTree(Array(path[path.index(after: slash)...].utf8))
    }
}

extension Demo {
    /// Where the demo plays unless told otherwise.
    public static func standardFolder(_ variables: [String: String]) -> String { DemoFolder.name(variables) }
}
