import ArtifactKit
import Glibc
import Testing

/// A tree, its manifest and its index, as a release has them.
private struct Tree {
    let scratch: Scratch
    let directory: Directory
    let manifest: ManifestFile
    let index: TreeIndex
    let name: String

    static let owner = Owner(user: geteuid(), group: getegid())
    static let condition = Digest.of([])

    /// Patches `self` into what `source` holds; the tarball of that is where the content comes from.
    func patched(to source: Directory, as next: String, damage: TreeRepair.Damage = .init()) throws -> (Tree, made: Int)
    {
        try Self.make(in: scratch, directory, from: TreePatch.Base(manifest, index, damage: damage), to: source, next)
    }

    static func filled(_ scratch: Scratch, from source: Directory, as name: String) throws -> Tree {
        try make(in: scratch, try scratch.folder(name), from: nil, to: source, name).0
    }

    private static func make(
        in scratch: Scratch, _ directory: Directory, from base: TreePatch.Base?, to source: Directory, _ name: String
    ) throws -> (Tree, made: Int) {
        let packed = try pack(source, to: scratch.path("\(name).t"))
        let manifest = try ManifestFile(at: scratch.path("\(name).t.manifest"))
        let content = try TarballContent(at: scratch.path("\(name).t"), manifest: manifest, frames: packed.frames)
        let index = try TreeIndex(creating: bytes("\(name).index"), in: scratch.directory)
        let patch = TreePatch(directory, from: base, to: manifest, owner: nil, index: index)
        try patch.apply(content)
        try patch.finishIndex(condition) { _ in false }
        let tree = Tree(scratch: scratch, directory: directory, manifest: manifest, index: index, name: name)
        return (tree, patch.made)
    }

    var difference: String? { get throws { try TreeCheck(manifest, index).difference(in: directory) } }

    func repaired() throws -> TreeRepair.Damage {
        let repair = try #require(
            TreeRepair(directory, manifest, index, owner: Self.owner) { _ in false })
        return try repair.run(expecting: { _ in false }, check: {})
    }
}

/// Makes, changes and removes files at random, the same way for the same numbers.
private func edit(_ folder: Directory, rounds: Int, _ random: inout some RandomNumberGenerator) throws {
    for _ in 0..<rounds {
        let name = "d\(Int.random(in: 0..<6, using: &random))/e\(Int.random(in: 0..<4, using: &random))"
        let path = bytes("\(name)/f\(Int.random(in: 0..<8, using: &random))")
        try folder.makeDirectories(bytes(name))
        if try folder.metadata(path) != nil { try folder.remove(path) }
        switch Int.random(in: 0..<8, using: &random) {
        case 0: continue
        case 1: try folder.createLink(path, target: bytes("elsewhere"))
        default:
            let size = Int.random(in: 0..<60_000, using: &random)
            let file = try folder.createFile(path, mode: Bool.random(using: &random) ? 0o755 : 0o644)
            try file.write([UInt8](repeating: UInt8.random(in: 0...255, using: &random), count: size))
            try file.close()
        }
    }
    // Folders come and go as well.
    for name in ["d0/e0", "d1"] where Int.random(in: 0..<3, using: &random) == 0 {
        if try folder.metadata(bytes(name)) != nil {
            let parts = name.split(separator: "/").map { bytes(String($0)) }
            try (parts.count == 1 ? folder : folder.open(parts[0])).removeTree(parts[parts.count - 1])
        }
    }
}

@Suite struct TreePatchTests {
    @Test func `a patched tree is what a filled one would be, and only what differs is made`() throws {
        var random = SystemRandomNumberGenerator()
        let scratch = try Scratch()
        let source = try scratch.folder("source")
        try edit(source, rounds: 100, &random)
        var tree = try Tree.filled(scratch, from: source, as: "0")
        #expect(try listing(of: tree.directory) == listing(of: source))
        for round in 1...25 {
            try edit(source, rounds: round % 7, &random)
            let differences = try listing(of: source).differences(from: tree.manifest.load())
            let (next, made) = try tree.patched(to: source, as: "\(round)")
            #expect(try listing(of: next.directory) == listing(of: source))
            #expect(try next.difference == nil)
            let wanted = differences.count {
                switch $0 {
                case .added(let entry), .changed(_, let entry): entry.kind != .directory
                case .removed: false
                }
            }
            #expect(made == wanted)
            tree = next
        }
    }

    @Test func `a changed file is a new one, and others stay the same`() throws {
        let scratch = try Scratch()
        let source = try scratch.folder("source")
        try source.writeAtomically(bytes("same"), bytes("same"), sync: false)
        try source.writeAtomically(bytes("other"), bytes("old"), sync: false)
        let tree = try Tree.filled(scratch, from: source, as: "0")
        let held = open(scratch.path("0/other"), O_RDWR)
        defer { close(held) }
        let before = try [bytes("same"), bytes("other")].map { try tree.directory.metadata($0)?.inode }
        try source.writeAtomically(bytes("other"), bytes("new"), sync: false)
        let (next, _) = try tree.patched(to: source, as: "1")
        let after = try [bytes("same"), bytes("other")].map { try next.directory.metadata($0)?.inode }
        #expect(before[0] == after[0])
        #expect(before[1] != after[1])
        var buffer = [UInt8](repeating: 0, count: 9)
        #expect(pread(held, &buffer, 9, 0) == 3)
        #expect(Array(buffer[..<3]) == bytes("old"))
    }

    @Test(arguments: [
        "an edit", "an edit of the same length and time", "a new file", "a file that went", "a mode", "a folder's mode",
        "another file in its place", "a link in place of a folder", "a file at the top",
    ])
    func `whatever was done to a tree is noticed, and put right`(what: String) throws {
        let scratch = try Scratch()
        let source = try scratch.folder("source")
        try makeSample(in: source)
        let tree = try Tree.filled(scratch, from: source, as: "0")
        #expect(try tree.difference == nil)
        func path(_ name: String) -> String { scratch.path("0/\(name)") }
        usleep(30_000)  // times are told in ticks; what happens within one is looked for by TreeRepair alone
        switch what {
        case "an edit": try tree.directory.writeInPlace("a/b", "below B and more")
        case "an edit of the same length and time":
            var status = stat()
            #expect(stat(path("a/b"), &status) == 0)
            try tree.directory.writeInPlace("a/b", "BELOW A")
            var times = [status.st_atim, status.st_mtim]
            #expect(utimensat(AT_FDCWD, path("a/b"), &times, 0) == 0)
        case "a new file": try tree.directory.createFile(bytes("a/deeper/still/leftover")).close()
        case "a file that went": try tree.directory.remove(bytes("a/deeper/run"))
        case "a mode": #expect(chmod(path("a/b"), 0o600) == 0)
        case "a folder's mode": #expect(chmod(path("a/deeper"), 0o700) == 0)
        case "another file in its place":
            try tree.directory.writeAtomically(bytes("a/b"), bytes("below a"), sync: false)
        case "a link in place of a folder":
            try tree.directory.open(bytes("a")).removeTree(bytes("deeper"))
            try tree.directory.createLink(bytes("a/deeper"), target: bytes("/tmp"))
        default: try tree.directory.createFile(bytes("leftover")).close()
        }
        #expect(try tree.difference != nil)
        try source.writeAtomically(bytes("empty"), bytes("no more"), sync: false)
        let (next, _) = try tree.patched(to: source, as: "1", damage: try tree.repaired())
        #expect(try listing(of: next.directory) == listing(of: source))
        #expect(try next.difference == nil)
    }

    @Test func `a damaged frame is never patched in`() throws {
        let scratch = try Scratch()
        let source = try scratch.folder("source")
        try source.writeAtomically(bytes("a"), bytes("one"), sync: false)
        let tree = try Tree.filled(scratch, from: source, as: "0")
        try source.writeAtomically(bytes("a"), bytes("two"), sync: false)
        let packed = try pack(source, to: scratch.path("t"))
        let good = try scratch.directory.readFile(bytes("t"), limit: 1 << 20)
        let manifest = try ManifestFile(at: scratch.path("t.manifest"))
        for byte in 0..<Int(packed.frames[0].size) {
            var bad = good
            bad[byte] ^= 0xff
            try scratch.directory.writeAtomically(bytes("bad"), bad, sync: false)
            let content = try TarballContent(at: scratch.path("bad"), manifest: manifest, frames: packed.frames)
            let name = "copy\(byte)"
            let copy = try Tree.filled(scratch, from: tree.directory, as: name)
            let index = try TreeIndex(creating: bytes("index\(byte)"), in: scratch.directory)
            let patch = TreePatch(
                copy.directory, from: TreePatch.Base(copy.manifest, copy.index), to: manifest, owner: nil, index: index)
            do {
                try patch.apply(content)
                // What in a frame says nothing about the content may be anything.
                #expect(try copy.directory.readFile(bytes("a"), limit: 9) == bytes("two"))
            } catch is ArtifactError {}
        }
    }

    @Test func `frames are taken from another tarball, and the bytes are those of a fresh one`() throws {
        var random = SystemRandomNumberGenerator()
        let scratch = try Scratch()
        let source = try scratch.folder("source")
        try edit(source, rounds: 400, &random)
        try source.makeDirectories(bytes("d3"))
        let old = try pack(source, to: scratch.path("old"))
        let content = try TarballContent(
            at: scratch.path("old"), manifest: try ManifestFile(at: scratch.path("old.manifest")), frames: old.frames)
        try source.writeAtomically(bytes("d3/new"), bytes("new"), sync: false)
        let fresh = try pack(source, to: scratch.path("fresh"))
        let manifest = try ManifestFile(at: scratch.path("fresh.manifest"))
        var taken = 0
        let reusing = try pack(to: scratch.path("reusing")) { writer in
            for section in manifest.sections {
                if content.frame(of: section) != nil {
                    taken += 1
                    try writer.add(section, of: content)
                    continue
                }
                for entry in try manifest.entries(of: section) {
                    switch entry.kind {
                    case .directory: try writer.addDirectory(entry.path)
                    case .link: try writer.addLink(entry.path, target: entry.link)
                    case .file:
                        try writer.addFile(entry.path, executable: entry.mode == 0o755, size: entry.size) {
                            try source.readFile(entry.path, $0)
                        }
                    }
                }
            }
        }
        #expect(reusing == fresh)
        #expect(manifest.sections.count > 3 && taken > 0)
    }
}

extension Directory {
    /// Into the very file that is there.
    fileprivate func writeInPlace(_ name: String, _ text: String) throws {
        let file = openat(descriptor, name, O_WRONLY | O_TRUNC)
        defer { close(file) }
        try #require(write(file, text, text.utf8.count) == text.utf8.count)
    }
}

@Suite struct ManifestFileTests {
    private func manifest(_ count: Int, _ prefix: String = "f") throws -> Manifest {
        try Manifest(
            entries: (0..<count).map { number in
                .file(
                    bytes("\(prefix)\(number + 100_000)"), executable: false, size: 10_000,
                    digest: Digest.of(bytes("\(number)")))
            })
    }

    @Test func `a manifest comes back as it was, section by section and path by path`() throws {
        let manifest = try manifest(2000)
        let file = try file(of: manifest)
        #expect(try file.load() == manifest)
        #expect(file.sections.count > 10)
        #expect(file.totalSize == manifest.totalSize)
        #expect(file.entryCount == 2000)
        for entry in manifest.entries.filter({ _ in Int.random(in: 0..<50) == 0 }) {
            #expect(try file.entry(at: entry.path) == entry)
            #expect(try file.entry(at: entry.path + [0x30]) == nil)
        }
        #expect(try file.entry(at: bytes("a")) == nil)
        #expect(try ArtifactKitTests.file(of: Manifest(entries: [])).load().entries.isEmpty)
    }

    @Test func `an edit leaves most sections as they are`() throws {
        let old = try manifest(3000)
        var entries = old.entries
        entries.remove(at: 1500)
        entries[700] = .file(entries[700].path, executable: true, size: 1, digest: Digest.of([1]))
        let one = Set(try file(of: old).sections.map(\.digest))
        let other = try file(of: try Manifest(entries: entries)).sections.map(\.digest)
        #expect(other.filter { !one.contains($0) }.count <= 6)
        #expect(other.count > 20)
    }

    @Test func `no flipped bit and no truncation of a manifest is read as another`() throws {
        let scratch = try Scratch()
        let manifest = try manifest(5)
        let writer = ManifestWriter(try scratch.directory.createFile(bytes("m")))
        for entry in manifest.entries { try writer.add(entry) }
        let digest = try writer.finish()
        let good = try scratch.directory.readFile(bytes("m"), limit: 1 << 20)
        func isTaken(_ content: [UInt8]) throws -> Bool {
            try scratch.directory.writeAtomically(bytes("bad"), content, sync: false)
            do {
                let file = try ManifestFile(at: scratch.path("bad"))
                return try file.digest == digest && file.load() != manifest
            } catch is ArtifactError {
                return false
            }
        }
        for bit in 0..<good.count * 8 {
            var bad = good
            bad[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(try !isTaken(bad), "bit \(bit)")
        }
        for count in 0..<good.count { #expect(try !isTaken(Array(good[..<count])), "\(count) bytes") }
    }
}
