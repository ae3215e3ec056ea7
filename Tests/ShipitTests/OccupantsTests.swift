import Foundation
import Testing

@testable import Shipit

@Suite struct OccupantsTests {
    @Test func `a folder has the names that its mounts give it`() throws {
        let mounts = """
            1 0 254:0 / / rw - ext4 /dev/vda rw
            2 1 254:0 /srv /mnt/a\\040b rw shared:1 - ext4 /dev/vda rw
            3 1 254:1 /@home /home rw - btrfs /dev/vdb rw,subvol=/@home
            4 1 254:0 /srv/blog/releases/7-abcdef0/data /data rw - ext4 /dev/vda rw
            5 1 0:40 / /ctr rw - overlay overlay rw,lowerdir=/srv/blog/releases/7-abcdef0:/base
            6 1 254:0 /srv/blogs /blogs rw - ext4 /dev/vda rw
            """.split(separator: "\n").compactMap(Mount.init)
        #expect(mounts.count == 6)
        let folder = "/srv/blog/releases/7-abcdef0"
        let place = try #require(Mount.place(of: folder, in: mounts))
        #expect(place == Mount.Place(device: "254:0", path: folder))
        #expect(mounts.compactMap { $0.name(of: place) } == [folder, "/mnt/a b/blog/releases/7-abcdef0"])
        #expect(mounts.map { $0.isPart(of: place) } == [false, false, false, true, false, false])
        #expect(mounts[4].options.contains(folder))
        #expect(
            Mount.place(of: "/home/user/site", in: mounts) == Mount.Place(device: "254:1", path: "/@home/user/site"))
    }

    @Test func `whoever works in a folder is seen, also from a namespace where it has another name`() throws {
        var name = Array("\(NSTemporaryDirectory())occupants-XXXXXX".utf8CString)
        let parent = try #require(mkdtemp(&name).flatMap { realpath($0, nil) }.map { String(cString: $0) })
        defer { try? FileManager.default.removeItem(atPath: parent) }  // a leftover hurts nobody
        let folder = "\(parent)/a folder"
        try FileManager.default.createDirectory(atPath: "\(folder)/below", withIntermediateDirectories: true)
        let occupants = try #require(Occupants(of: folder))
        #expect(try occupation(occupants, ["/bin/sh"], in: "/") == nil)
        #expect(try occupation(occupants, ["/bin/sh"], in: "\(folder)/below") == "works there")
        let enclosed = ["/usr/bin/bwrap", "--ro-bind", "/", "/", "--dev", "/dev"]
        #expect(
            try occupation(occupants, enclosed + ["--bind", parent, "/mnt", "--chdir", "/mnt/a folder", "/bin/sh"])
                == "works there")
        #expect(
            try occupation(occupants, enclosed + ["--bind", "\(folder)/below", "/mnt", "/bin/sh"])
                == "has something of it mounted")
        #expect(try occupation(occupants, enclosed + ["/bin/sh"]) == nil)
    }

    @Test(.enabled(if: canMountOverlays, "overlays in a user's own namespace"))
    func `an overlay that was mounted of a folder is seen by the path that the folder had then`() throws {
        var name = Array("\(NSTemporaryDirectory())occupants-XXXXXX".utf8CString)
        let parent = try #require(mkdtemp(&name).flatMap { realpath($0, nil) }.map { String(cString: $0) })
        defer { try? FileManager.default.removeItem(atPath: parent) }  // a leftover hurts nobody
        for folder in ["lower", "base", "point"] { mkdir("\(parent)/\(folder)", 0o755) }
        let mounting = """
            mount -t overlay overlay -o lowerdir="$0/lower:$0/base" "$0/point" || exit; mv "$0/lower" "$0/moved"
            echo $$; read line
            """
        let words = ["/usr/bin/unshare", "-Urm", "/bin/sh"]
        func found(formerly former: String?) throws -> String? {
            let occupants = try #require(Occupants(of: "\(parent)/moved", formerly: former))
            return try withShell(words, mounting, parent) { occupants.occupation(by: $0) }
        }
        #expect(try found(formerly: "\(parent)/lower") == "has something of it mounted")
        rename("\(parent)/moved", "\(parent)/lower")
        #expect(try found(formerly: nil) == nil)
    }

    private static let canMountOverlays: Bool = {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/unshare")
        process.arguments = ["-Urm", "/bin/mount", "-t", "overlay", "overlay", "-o", "lowerdir=/usr:/etc", "/mnt"]
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }  // no such program: cannot
        process.waitUntilExit()
        return process.terminationStatus == 0
    }()

    /// What is found while a shell is started with these words and waits for us.
    private func occupation(_ occupants: Occupants, _ words: [String], in folder: String = "/") throws -> String? {
        try withShell(words, "echo $$; read line", folder, in: folder) { occupants.occupation(by: $0) }
    }

    private func withShell<Result>(
        _ words: [String], _ script: String, _ argument: String, in folder: String = "/",
        body: (_ pid: Int32) throws -> Result
    ) throws -> Result {
        let process = Process(), input = Foundation.Pipe(), output = Foundation.Pipe()
        process.executableURL = URL(filePath: words[0])
        process.arguments = words.dropFirst() + ["-c", script, argument]
        process.currentDirectoryURL = URL(filePath: folder)
        process.standardInput = input
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        defer {
            try? input.fileHandleForWriting.close()  // ends the shell, whatever else happens
            process.waitUntilExit()
        }
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        return try body(try #require(Int32(line.dropLast())))
    }
}
