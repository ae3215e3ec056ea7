import Foundation
import Glibc
import Testing

@testable import Shipit

extension FsckTests {
    static let artifactDamage: [Damage] = [
        .lasting("an artifact is gone", .artifactMissing) { try $0.remove(try $0.artifact()) },
        .lasting("a bit of an artifact flipped", .artifactDamaged) {
            let path = try $0.artifact()
            var bytes = try Data(contentsOf: URL(filePath: path))
            bytes[bytes.count / 2] ^= 1
            try bytes.write(to: URL(filePath: path))
        },
        .lasting("a description is gone", .descriptionDamaged) { try $0.remove(try $0.description()) },
        .lasting("a description is no JSON", .descriptionDamaged) { try $0.write("{", to: try $0.description()) },
        .lasting("a manifest lists another file", .descriptionDamaged) {
            let path = try $0.description().replacing(".json", with: ".manifest")
            let text = try String(contentsOfFile: path, encoding: .utf8)
            try $0.write(text.replacing("site/index.html", with: "site/indey.html"), to: path)
        },
        .lasting("a manifest is gone", .descriptionDamaged) {
            try $0.remove(try $0.description().replacing(".json", with: ".manifest"))
        },
        .mendable("an interrupted build left its tarball", .artifactUnknown) {
            try $0.write("x", to: "\($0.home.artifacts("blog"))/.aside-1-1")
        },
        .mendable("a file that the ledger does not know", .artifactUnknown) {
            try $0.write("x", to: "\($0.home.artifacts("blog"))/0123.tar.zst")
        },
    ]

    static let targetDamage: [Damage] = [
        .lasting("a live file was edited", .releaseDamaged) {
            try $0.write("hallo\n", to: "\($0.staging)/current/site/index.html")
        },
        .lasting("a live file is gone", .releaseDamaged) { try $0.remove("\($0.staging)/current/site/index.html") },
        .lasting("a live file became executable", .releaseDamaged) {
            chmod("\($0.staging)/current/site/index.html", 0o755)
        },
        .lasting("a live file became a link", .releaseDamaged) {
            try $0.remove("\($0.staging)/current/site/index.html")
            symlink("/etc/hostname", "\($0.staging)/current/site/index.html")
        },
        .lasting("the manifest is gone", .manifestMissing) {
            try $0.remove("\($0.staging)/.shipit/manifests/\(try $0.live()).manifest")
        },
        .mendable("the live release is gone", .targetLeftover, left: [.releaseMissing]) {
            try $0.remove("\($0.staging)/releases/\(try $0.live())")
        },
        .mendable("current is gone", .currentDiffers) { try $0.remove("\($0.staging)/current") },
        .mendable("current leads elsewhere", .currentDiffers) {
            try $0.remove("\($0.staging)/current")
            symlink("releases/9-abcdef0", "\($0.staging)/current")
        },
        .lasting("current is a folder", .currentDiffers) {
            try $0.remove("\($0.staging)/current")
            mkdir("\($0.staging)/current", 0o755)
        },
        .mendable("the target does not say whose it is", .targetForeign) {
            try $0.remove("\($0.staging)/.shipit/owner")
        },
        .lasting("the target is another's", .targetForeign) {
            try $0.write(#"{"app":"other","environment":"staging","home":"/x"}"#, to: "\($0.staging)/.shipit/owner")
        },
        .lasting("the target has seen a token of the future", .targetToken) {
            try $0.write("999\n", to: "\($0.staging)/.shipit/lock")
        },
        .lasting("the target is gone", .targetMissing) { try $0.remove($0.staging) },
        .mendable("a deployment died while it unpacked", .targetLeftover) {
            try $0.write("x", to: "\($0.staging)/.shipit/incoming/file")
        },
        .mendable("a deployment died while it mapped", .targetLeftover) {
            try $0.write("x", to: "\($0.staging)/.shipit/mapped/file")
        },
        .mendable("a removal died", .targetLeftover) {
            try $0.write("x", to: "\($0.staging)/.shipit/trash-1-abcdef0/file")
        },
        .mendable("a switch died", .targetLeftover) { symlink("releases/1-abcdef0", "\($0.staging)/.aside-1f") },
        .lasting("a folder among the releases", .releaseUnknown) { mkdir("\($0.staging)/releases/mine", 0o755) },
        .lasting("a release that nobody made", .releaseUnknown) { mkdir("\($0.staging)/releases/9-abcdef0", 0o755) },
    ]

    @Test func `what a hook script adds is a note and no finding`() async throws {
        let blog = try ShippedBlog()
        try blog.write("x", to: "\(blog.staging)/current/cache/file")
        let report = try await blog.fsck().check()
        #expect(report.findings == [])
        #expect(report.notes.count == 1)
        #expect(try blog.shipit("verify", "staging").contains("extra: cache"))
    }

    @Test func `links to shared files and folders are as they should be`() async throws {
        let blog = try ShippedBlog(policy: {
            $0.replacing("#shared:", with: "shared:").replacing("promotion: manual", with: "#")
        })
        #expect(try await blog.fsck().check().findings == [])
        let shared = try ShippedBlog(
            pushes: 2,
            policy: { $0.replacing("/srv/staging\"]", with: "/srv/staging\"]\n    shared: [uploads/]") })
        let report = try await shared.fsck().check()
        #expect(report.findings == [])
        #expect(report.notes == [])
        #expect(
            try FileManager.default.destinationOfSymbolicLink(atPath: "\(shared.staging)/current/uploads")
                == "\(shared.staging)/shared/uploads")
        try shared.shipit("verify", "staging")
    }

    @Test func `fsck is quiet while a deployment is under way, and a repair leaves it alone`() async throws {
        let blog = try ShippedBlog(
            validate: "while [ -e /GATE ]; do sleep 0.05; done".replacing("/GATE", with: "$SHIPIT_TARGET/../gate"))
        let gate = "\(blog.path)/srv/gate"
        try blog.write("", to: gate)
        try blog.write("more\n", to: "\(blog.clone)/site/more.txt")
        try blog.git("-C", blog.clone, "add", "-A")
        try blog.git("-C", blog.clone, "commit", "-q", "-m", "more")
        try blog.git("-C", blog.clone, "push", "-q", "-o", "detach", "origin", "main")
        let ledger = try blog.installation().ledger
        for _ in 0..<3000 {
            if try ledger.openJobs().contains(where: { $0.job.status == .running && $0.job.kind == .deploy }) { break }
            usleep(10_000)
        }
        try blog.shipit("fsck")
        try blog.shipit("fsck", "--repair")
        #expect(try blog.shipit("gc").contains("holds it"))
        try blog.remove(gate)
        try blog.waitForPeace()
        #expect(try await blog.fsck().check().findings == [])
        #expect(LiveReleaseName.of(blog.staging)?.hasPrefix("2-") == true)
    }

    @Test func `a job whose worker was killed is found, and work ends it`() async throws {
        let blog = try ShippedBlog()
        let run = ["start", "main", "--rebuild", "--detach"]
        _ = try blog.run(ShippedBlog.program, run, environment: ["SHIPIT_FAILPOINT": "pack-before-rename:kill"])
        let ledger = try blog.installation().ledger
        for _ in 0..<3000 {
            if try ledger.openJobs().contains(where: { $0.job.status == .running }), !WorkerLock.isHeld(blog.home) {
                break
            }
            usleep(10_000)
        }
        let report = try await blog.fsck().check()
        #expect(report.findings.map(\.code).contains(.jobUnattended), "\(report.findings)")
        try blog.shipit("fsck", status: 1)
        try blog.shipit("work")
        try blog.waitForPeace()
        #expect(try await blog.fsck().check().findings == [])
    }

    @Test func `the command says what it found, and ends with 1 until nothing is left`() async throws {
        let blog = try ShippedBlog()
        try blog.remove("\(blog.staging)/current")
        try blog.git("--git-dir", blog.repository, "config", "core.fsync", "none")
        let found = try blog.shipit("fsck", status: 1)
        #expect(found.contains("[current-differs]") && found.contains("[setting]"))
        let mended = try blog.shipit("fsck", "--repair")
        #expect(mended.contains("set core.fsync=all (it was none)"))
        #expect(mended.contains("current leads to \(try blog.live()) again"))
        #expect(try blog.shipit("fsck", "--json").contains(#""findings": []"#))
    }
}

extension ShippedBlog {
    func artifact() throws -> String {
        let names = try FileManager.default.contentsOfDirectory(atPath: home.artifacts("blog"))
        return "\(home.artifacts("blog"))/\(try #require(names.first { $0.hasSuffix(".tar.zst") }))"
    }

    func description() throws -> String { try artifact().replacing(".tar.zst", with: ".json") }
}
