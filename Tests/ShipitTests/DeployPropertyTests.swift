import ArtifactKit
import CLinux
import Foundation
import Glibc
import Testing

@testable import Shipit

/// What holds for all revisions and appspecs, also for those that nobody would write.
@Suite struct DeployPropertyTests {
    /// Everything that is not to be touched: names, kinds, modes, owners, times and bytes.
    private func canary(_ ground: Ground) -> [String] {
        ["", "/secret", "/folder", "/folder/file"].map { name in
            var status = stat()
            lstat("\(ground.path)/canary\(name)", &status)
            let text = FileManager.default.contents(atPath: "\(ground.path)/canary\(name)") ?? Data()
            return
                "\(name) \(status.st_mode) \(status.st_uid) \(status.st_nlink) \(status.st_ino) \(status.st_mtim) \(status.st_ctim) \(text.count)"
        } + ground.names("\(ground.path)/canary") + ground.names("\(ground.path)/canary/folder")
    }

    @Test(arguments: 0..<80)
    func `nothing traps, nothing is written outside, the plan is what comes, and twice is as once`(seed: Int)
        async throws
    {
        var revision = RandomRevision(seed: seed + 1000)
        let there = ["app/a": "mine", "app/-rf": "mine", "b.sh/x": "mine"]
        let ground = try Ground(root: revision.oneIn(2) ? there : [:])
        try ground.write("secret", "\(ground.path)/canary/secret")
        try ground.write("file", "\(ground.path)/canary/folder/file")
        if revision.oneIn(2) { symlink("\(ground.path)/canary", "\(ground.root)/etc") }
        if revision.oneIn(2) { symlink("../../canary/secret", "\(ground.root)/semi;colon") }
        let before = canary(ground)
        for _ in 0..<4 {
            try revision.fill(ground)
            let yaml = revision.appspec()
            let was = ground.tree()
            let behavior = revision.one(of: Appspec.FileExistsBehavior.allCases, or: .overwrite)
            let plan: InstallPlan
            do {
                plan = try ground.plan(yaml, behavior)
            } catch is Diagnostics {
                #expect(ground.tree() == was, "seed \(seed): a refusal touched something\n\(yaml)")
                continue
            }
            _ = try await ground.transaction(plan).run()
            #expect(canary(ground) == before, "seed \(seed)\n\(yaml)")
            let after = ground.tree()
            expect(after, follows: plan, in: ground, "seed \(seed)\n\(yaml)")
            // A second installation, with what it would replace now being its own.
            do {
                try await ground.install(yaml, .overwrite)
                if !plan.copies.contains(where: { $0.destination != $0.recorded }), !yaml.contains("RETAIN"),
                    plan.removals.isEmpty
                {
                    #expect(ground.tree() == after, "seed \(seed)\n\(yaml)")
                }
            } catch is Diagnostics {
                Issue.record("seed \(seed): what was installed cannot be installed again\n\(yaml)")
            }
            #expect(canary(ground) == before, "seed \(seed)\n\(yaml)")
        }
        #expect(ground.names(ground.state).allSatisfy { !$0.hasPrefix(".") })
    }

    /// What is to be copied and made is there, of its kind and with its mode; what is to be removed is not.
    private func expect(_ tree: [String], follows plan: InstallPlan, in ground: Ground, _ comment: String) {
        var modes: [[UInt8]: UInt16] = [:]
        for change in plan.changes { if let mode = change.mode { modes[change.path] = mode } }
        for copy in plan.copies {
            var there = stat(), source = stat()
            let place = "\(ground.root)/\(String(decoding: copy.destination, as: UTF8.self))"
            let from = "\(ground.bundle)/\(String(decoding: copy.source, as: UTF8.self))"
            #expect(lstat(place, &there) == 0, "\(place) \(comment)")
            #expect((there.st_mode & S_IFMT == S_IFLNK) == copy.isLink, "\(place) \(comment)")
            if copy.isLink { continue }
            stat(from, &source)
            #expect(there.st_size == source.st_size, "\(place) \(comment)")
            let wanted = modes[copy.recorded].map(mode_t.init) ?? source.st_mode & 0o7777
            #expect(there.st_mode & 0o7777 == wanted, "\(place) \(comment)")
        }
        let kept = Set(plan.copies.map(\.destination)).union(plan.folders)
        for folder in plan.folders {
            var status = stat()
            lstat("\(ground.root)/\(String(decoding: folder, as: UTF8.self))", &status)
            #expect(status.st_mode & S_IFMT == S_IFDIR, "\(comment)")
        }
        for removal in plan.removals where !kept.contains(removal.path) {
            var status = stat()
            let place = "\(ground.root)/\(String(decoding: removal.path, as: UTF8.self))"
            #expect(lstat(place, &status) != 0, "\(place) is still there, \(comment)")
        }
    }

    /// Validate and the installer look at the same things, and the one must not promise what the other refuses.
    @Test(arguments: 0..<40) func `what validate finds right can be planned, and what it finds wrong cannot`(seed: Int)
        throws
    {
        var revision = RandomRevision(seed: seed + 5000)
        let ground = try Ground()
        for _ in 0..<6 {
            try revision.fill(ground)
            let yaml = "version: 0.0\nos: linux\n" + revision.appspec()
            try ground.write(yaml, "\(ground.bundle)/appspec.yml")
            let validation = try Validation(directory: ground.bundle)
            let problems = ground.problems(String(yaml.dropFirst("version: 0.0\nos: linux\n".count)), .overwrite)
            #expect(
                validation.hasErrors == !problems.isEmpty,
                "seed \(seed)\n\(yaml)\nvalidate: \(validation.diagnostics)\nplan: \(problems)")
        }
    }
}
