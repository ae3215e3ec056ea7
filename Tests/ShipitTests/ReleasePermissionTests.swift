import ArtifactKit
import CLinux
import Foundation
import Glibc
import Testing

@testable import Shipit

@Suite struct ReleasePermissionTests {
    private static func appspec(_ permissions: String) -> String {
        "version: 0.0\nos: linux\nfiles: [{source: /, destination: /}]\npermissions:\n\(permissions)"
    }

    private func status(_ path: String) -> stat? { FileSystem.status(path) }

    @Test func `a release has the modes that its appspec gives, and they are as they should be`() async throws {
        let world = try await World()
        let appspec = Self.appspec(
            "  - {object: /, pattern: '*.html', mode: 0640, type: [file]}\n  - {object: /data, mode: 700, type: [directory]}\n"
                + "  - {object: /, pattern: data, mode: 750, type: [directory]}\n")
        try world.must(await world.ship(["appspec.yml": appspec, "data/in/a.txt": "a"]).result)
        let current = "\(world.staging)/current"
        #expect(status("\(current)/index.html").map { $0.st_mode & 0o7777 } == 0o640)
        #expect(status("\(current)/data").map { $0.st_mode & 0o7777 } == 0o750)
        #expect(status("\(current)/data/in").map { $0.st_mode & 0o7777 } == 0o700)
        #expect(status("\(current)/data/in/a.txt").map { $0.st_mode & 0o7777 } == 0o644)
        #expect(await world.shipit("verify").status == 0)
        chmod("\(current)/index.html", 0o644)
        let verified = await world.shipit("verify")
        #expect(verified.status == 1 && verified.stdout.contains("its mode is 644, not 640"))
        try await world.settled()
    }

    @Test(.enabled(if: geteuid() == 0, "only root gives files away"))
    func `what only root can give is refused unless the policy lets scripts act as root`() async throws {
        let world = try await World()
        let nobody = try #require(User.named("nobody"))
        try FileManager.default.createDirectory(atPath: world.staging, withIntermediateDirectories: true)
        chown(world.staging, nobody.uid, nobody.gid)
        let files = ["appspec.yml": Self.appspec("  - {object: /, owner: root, mode: 4755, type: [file]}\n")]
        let refused = try await world.ship(files).result
        let log = world.log(1)
        #expect(refused.text.contains("owner: root is not for nobody to give"), "\(log)")
        #expect(log.contains("mode: 4755 is not for nobody to give"))
        #expect(!world.exists("\(world.staging)/current"))
        try world.setPolicy(
            environments: "environments: [{name: staging, targets: [\(world.staging)], runas: root}]")
        try world.must(await world.ship().result)
        let given = try #require(status("\(world.staging)/current/index.html"))
        #expect(
            given.st_uid == 0 && given.st_mode & 0o7777 == 0o755, "chown comes last and clears set-user-id, as on AWS")
        try await world.settled()
    }

    @Test(.enabled(if: geteuid() == 0, "only root runs scripts as somebody else"))
    func `the policy says who this machine's ec2-user is, for scripts and for files`() async throws {
        let world = try await World()
        let appspec =
            Self.appspec("  - {object: /, pattern: index.html, owner: ec2-user, group: ec2-user}\n")
            + "hooks:\n  ApplicationStart: [{location: start.sh, runas: ec2-user}]\n"
        let files = ["appspec.yml": appspec, "start.sh": "#!/bin/sh\nid -un >$SHIPIT_TARGET/../who\n"]
        chmod(world.path, 0o777)
        mkdir(world.targets, 0o777)
        chmod(world.targets, 0o777)
        let refused = try await world.ship(files).result
        #expect(refused.text.contains("ec2-user"), "\(refused.text)")
        #expect(!world.exists("\(world.staging)/current"))
        try world.setPolicy(
            environments: """
                environments:
                  - name: staging
                    targets: [\(world.staging)]
                    runas: {ec2-user: nobody}
                """)
        let renamed = ["appspec.yml": appspec.replacing("group: ec2-user", with: "group: nogroup")]
        try world.must(await world.ship(renamed).result)
        #expect(world.read("\(world.targets)/who") == "nobody\n")
        #expect(status("\(world.staging)/current/index.html")?.st_uid == User.named("nobody")?.uid)
        try await world.settled()
    }

    @Test func `a context is refused in a release, with what to do instead`() async throws {
        let world = try await World()
        let files = ["appspec.yml": Self.appspec("  - {object: /, context: {type: httpd_sys_content_t, range: s0}}\n")]
        let refused = try await world.ship(files).result
        #expect(refused.text.contains("context is for layout: in-place"), "\(refused.text)")
        try await world.settled()
    }

    @Test(.enabled(if: geteuid() == 0, "only root runs scripts as somebody else"))
    func `a revision acts as nobody whom the policy does not name`() async throws {
        let world = try await World()
        mkdir(world.targets, 0o755)
        mkdir(world.staging, 0o755)
        chown(world.staging, 65534, 65534)
        let appspec =
            "version: 0.0\nos: linux\nhooks: {AfterInstall: [{location: who.sh, runas: daemon, timeout: 60}]}\n"
        let files = ["appspec.yml": appspec, "who.sh": "#!/bin/sh\nid -un\n"]
        let refused = try await world.ship(files).result
        #expect(refused.text.contains("who.sh wants to run as daemon, and the policy does not say so"))
        #expect(world.log(1).contains("runas: {daemon: daemon}"))
        try world.setPolicy(
            environments: "environments: [{name: staging, targets: [\(world.staging)], runas: {daemon: daemon}}]")
        try world.must(await world.ship().result)
        #expect(world.log(2).contains("| daemon"))
        try await world.settled()
    }

    @Test(.enabled(if: Command.find("setfacl") != nil, "acl is not installed"))
    func `a file with an access control list is as it should be`() async throws {
        let world = try await World()
        let appspec = Self.appspec("  - {object: /, pattern: index.html, acls: ['u:daemon:rwx'], type: [file]}\n")
        try world.must(await world.ship(["appspec.yml": appspec]).result)
        let verified = await world.shipit("verify")
        #expect(verified.status == 0, "\(verified.text)")
        try await world.settled()
    }
}
