/// A new file that is being written; ``Directory/createFile(_:mode:)`` makes it.
public final class FileWriter {
    private let file: Descriptor
    private let path: () -> String

    init(_ file: Descriptor, path: @escaping () -> String) {
        self.file = file
        self.path = path
    }

    public func write(_ bytes: UnsafeRawBufferPointer) throws {
        try named("write") { () throws(SystemFailure) in try file.write(bytes) }
    }

    public func write(_ bytes: [UInt8]) throws {
        try bytes.withUnsafeBytes { try write($0) }
    }

    /// Waits until the content is on the disk; its name is only there when its folder was synced too.
    public func sync() throws {
        try named("sync") { () throws(SystemFailure) in try file.sync() }
    }

    /// Some file systems say only now that the disk was full.
    public func close() throws {
        try named("write") { () throws(SystemFailure) in try file.close() }
    }

    public func status() throws -> Status {
        try named("look at") { () throws(SystemFailure) in try file.status() }
    }

    private func named<Result>(_ what: String, _ body: () throws(SystemFailure) -> Result) throws -> Result {
        do { return try body() } catch { throw error.named(what, path()) }
    }
}
