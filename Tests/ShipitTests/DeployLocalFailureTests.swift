import Foundation
import Glibc
import Testing

@testable import Shipit

@Suite struct DeployLocalFailureTests {
    @Test(arguments: [Failpoint.installStaged, .installJournalled, .installExchanged, .installDone])
    func `an installation that is killed leaves the old files or the new ones`(failpoint: Failpoint) throws {
        let ground = try Ground()
        try ground.makeBundle("one", events: [])
        #expect(try ground.deploy("-l", "bundle").status == 0)
        let before = ground.tree()
        try ground.makeBundle("two", events: [])
        try ground.write("more", "\(ground.bundle)/html/new/page")
        #expect(try ground.deploy("-l", "bundle", failing: "\(failpoint.rawValue):kill").status == 128)
        // Whoever comes next puts things right first, and then finds something wrong.
        #expect(try ground.deploy("-l", "bundle", "-e", "OtherEvent").status == 1)
        let isDone = failpoint == .installDone
        #expect(isDone ? ground.page == "two" : ground.tree() == before)
        #expect(try ground.deploy("-l", "bundle").status == 0)
        #expect(ground.tree() == ["www/ 755", "www/index.html 644 two", "www/new/ 755", "www/new/page 644 more"])
        #expect(
            ground.names("\(ground.agent)/deployment-instructions").allSatisfy {
                !$0.contains("journal") && !$0.contains("former")
            })
    }

    @Test func `putting back that is itself killed is done again`() throws {
        let ground = try Ground()
        try ground.makeBundle("one", events: [])
        #expect(try ground.deploy("-l", "bundle").status == 0)
        let before = ground.tree()
        try ground.makeBundle("two", events: [])
        #expect(try ground.deploy("-l", "bundle", failing: "install-exchanged:kill").status == 128)
        #expect(ground.tree() != before)
        #expect(try ground.deploy("-l", "bundle", failing: "install-put-back:kill").status == 128)
        #expect(try ground.deploy("-l", "bundle", "-e", "OtherEvent").status == 1)
        #expect(ground.tree() == before)
    }

    @Test(arguments: [Failpoint.installStaged, .installJournalled, .installExchanged])
    func `a full disk during an installation leaves the old files`(failpoint: Failpoint) throws {
        let ground = try Ground()
        try ground.makeBundle("one", events: [])
        #expect(try ground.deploy("-l", "bundle").status == 0)
        let before = ground.tree()
        try ground.makeBundle("two", events: [])
        let failed = try ground.deploy("-l", "bundle", failing: "\(failpoint.rawValue):error=ENOSPC")
        #expect(failed.status == 1 && failed.output.contains("no space left on device"), "\(failed)")
        #expect(ground.tree() == before)
    }
}
