import ArtifactKit
import CLinux
import Dispatch
import Foundation
import Glibc
import Synchronization
import Testing

/// A folder for one test, removed with everything in it when the test is over.
final class Scratch {
    let path: String
    let directory: Directory

    init() throws {
        let base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
        path = "\(base)/artifactkit-\(UUID().uuidString)"
        directory = try Directory(creating: path, mode: 0o700)
    }

    deinit {
        // Litter after a test is no reason to fail it.
        try? Directory(path: (path as NSString).deletingLastPathComponent)
            .removeTree(bytes((path as NSString).lastPathComponent))
    }

    func path(_ name: String) -> String { "\(path)/\(name)" }

    func folder(_ name: String) throws -> Directory {
        try directory.makeDirectory(bytes(name), mode: 0o755)
        return try directory.open(bytes(name))
    }

    func write(_ name: String, _ content: String, mode: UInt16 = 0o644) throws {
        try directory.writeAtomically(bytes(name), bytes(content), mode: mode, sync: false)
    }
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// Everything below a directory, as a manifest.
func listing(of directory: Directory) throws -> Manifest {
    var entries: [ManifestEntry] = []
    func visit(_ folder: Directory, _ prefix: [UInt8]) throws {
        for (name, kind) in try folder.entries() {
            let path = prefix + name
            switch kind {
            case .directory:
                let mode = try folder.open(name).status().mode
                entries.append(ManifestEntry(path: path, kind: .directory, mode: mode, size: 0, digest: nil, link: []))
                try visit(folder.open(name), path + bytes("/"))
            case .link: entries.append(.link(path, target: try folder.readLink(name)))
            default:
                let (digest, size) = try folder.digest(of: name)
                let mode = try folder.metadata(name)?.mode ?? 0
                entries.append(
                    ManifestEntry(path: path, kind: .file, mode: mode, size: size, digest: digest, link: []))
            }
        }
    }
    try visit(directory, [])
    return try Manifest(entries: entries.sorted { $0.path.lexicographicallyPrecedes($1.path) })
}

/// A tarball that was packed, with its manifest in memory.
struct Packed: Equatable {
    let manifest: Manifest
    let digest: Digest
    let size: Int64
    let frames: [Frame]
}

/// Packs what `add` adds; the manifest's file stands beside the tarball.
func pack(to path: String, _ add: (TarballWriter) throws -> Void) throws -> Packed {
    let slash = path.lastIndex(of: "/") ?? path.startIndex
    let listing = try Directory(path: String(path[..<slash]))
        .createFile(bytes("\(path[path.index(after: slash)...]).manifest"))
    let writer = try TarballWriter(at: path, listingIn: listing)
    try add(writer)
    let summary = try writer.finish()
    let file = try ManifestFile(at: "\(path).manifest")
    #expect(file.digest == summary.manifest)
    #expect(file.entryCount == summary.entries)
    return Packed(
        manifest: try file.load(), digest: summary.digest, size: summary.size, frames: summary.frames)
}

/// Packs everything below a directory.
func pack(_ directory: Directory, to path: String) throws -> Packed {
    try pack(to: path) { writer in
        for entry in try listing(of: directory).entries {
            switch entry.kind {
            case .directory: try writer.addDirectory(entry.path)
            case .link: try writer.addLink(entry.path, target: entry.link)
            case .file:
                try writer.addFile(entry.path, executable: entry.mode == 0o755, size: entry.size) { sink in
                    try directory.readFile(entry.path, sink)
                }
            }
        }
    }
}

/// A manifest in a file, which nobody finds any more.
func file(of manifest: Manifest) throws -> ManifestFile {
    let scratch = try Scratch()
    let writer = ManifestWriter(try scratch.directory.createFile(bytes("m")))
    for entry in manifest.entries { try writer.add(entry) }
    _ = try writer.finish()
    return try ManifestFile(at: scratch.path("m"))
}

/// Fills an empty directory as a deployment does; without frames the tarball is one.
func extract(
    at path: String, manifest: Manifest, frames: [Frame]? = nil, digest: Digest, into directory: Directory
) throws {
    let scratch = try Scratch()
    let whole = [Frame(offset: 0, size: try Digest.ofFile(at: path).size)]
    let tarball = try TarballContent(at: path, manifest: try file(of: manifest), frames: frames ?? whole)
    try tarball.verify(digest)
    let index = try TreeIndex(creating: bytes("index"), in: scratch.directory)
    try TreePatch(directory, from: nil, to: tarball.manifest, owner: nil, index: index).apply(tarball)
}

/// A tree with everything that an artifact may have.
func makeSample(in directory: Directory) throws {
    func file(_ name: [UInt8], _ content: [UInt8], _ mode: UInt16 = 0o644) throws {
        try directory.writeAtomically(name, content, mode: mode, sync: false)
    }
    try directory.makeDirectories(bytes("a/deeper/still"))
    try file(bytes("a/b"), bytes("below a"))
    try file(bytes("a.txt"), bytes("between a and a/b"))
    try file(bytes("a/deeper/run"), bytes("#!/bin/sh\n"), 0o755)
    try file(bytes("empty"), [])
    try file(bytes("new\nline"), bytes("legal"))
    try file([0xff, 0xfe, 0x20, 0x80], bytes("not UTF-8"))
    try file(bytes("grüße"), bytes("UTF-8"))
    try file(bytes("large"), (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 11) })
    try directory.makeDirectories(bytes("long/" + String(repeating: "x", count: 250)))
    try file(bytes("long/" + String(repeating: "x", count: 250) + "/" + String(repeating: "y", count: 255)), [1, 2, 3])
    try directory.createLink(bytes("link"), target: bytes("a/b"))
    try directory.createLink(bytes("a/up"), target: bytes("../empty"))
    try directory.createLink(bytes("far"), target: bytes(String(repeating: "z/", count: 150) + "end"))
}

/// Runs `body` on a thread with a umask of its own, since that of the process is everybody's.
func withUmask(_ mask: mode_t, _ body: @escaping @Sendable () throws -> Void) throws {
    let done = DispatchSemaphore(value: 0)
    let failure = Mutex<(any Error)?>(nil)
    let thread = Thread {
        do {
            if linux_unshare_umask() == 0 { umask(mask) }
            try body()
        } catch {
            failure.withLock { $0 = error }
        }
        done.signal()
    }
    thread.start()
    done.wait()
    if let error = failure.withLock({ $0 }) { throw error }
}

/// The exit status, and the standard error as text.
func run(_ words: String...) throws -> (status: Int32, message: String) {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = words
    process.standardError = pipe
    try process.run()
    let message = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, message)
}

func isInstalled(_ program: String) -> Bool {
    ["/usr/bin/", "/bin/", "/usr/local/bin/"].contains { access($0 + program, X_OK) == 0 }
}

/// Whether an error of this code was thrown.
func code(_ body: () throws -> Void) -> ArtifactError.Code? {
    do { try body() } catch let error as ArtifactError { return error.code } catch { return nil }
    return nil
}
