import Foundation
import Testing

@testable import Shipit

@Suite struct TargetLockTests {
    @Test func `a lock that was let go is free, though a child that is being started still has its file`() throws {
        var name = Array("\(NSTemporaryDirectory())lock-XXXXXX".utf8CString)
        let target = try #require(mkdtemp(&name).flatMap { realpath($0, nil) }.map { String(cString: $0) })
        defer { try? FileManager.default.removeItem(atPath: target) }  // a leftover hurts nobody
        mkdir("\(target)/.shipit", 0o755)
        try Data().write(to: URL(filePath: "\(target)/.shipit/lock"))
        var lock = try TargetLock(taking: target)
        #expect(lock != nil)
        #expect(try TargetLock(taking: target) == nil)
        // What fork does with each descriptor.
        let file = try #require(
            FileSystem.names(in: "/proc/self/fd").compactMap(Int32.init).first {
                FileSystem.realPath("/proc/self/fd/\($0)") == "\(target)/.shipit/lock"
            })
        let child = dup(file)
        defer { close(child) }
        lock = nil
        #expect(try TargetLock(taking: target) != nil)
    }
}
