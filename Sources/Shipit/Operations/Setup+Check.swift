import CLinux
import GitKit
import Glibc

extension Setup {
    /// What is not as init left it in an app's repository: nobody but `mend` changes anything.
    struct Gap: Hashable, Sendable {
        enum Part: Hashable, Sendable {
            case hook, setting
        }

        let part: Part
        let place: String
        let what: String
        /// Repeating init mends it.
        let isMendable: Bool
    }

    func gaps(of app: App) async throws -> [Gap] {
        // Nobody pushes to a mirror.
        if app.pipeline.remote != nil { return [] }
        var gaps: [Gap] = []
        let repository = try app.repository()
        let (path, effective) = (repository.path, try hookPath(repository))
        guard let record = try read(app.name) else {
            return [
                Gap(
                    part: .hook, place: effective, what: "shipit has no record of having installed it", isMendable: true
                )
            ]
        }
        if record.hook != effective {
            let what = "core.hooksPath makes git look here, and shipit's hook is \(record.hook)"
            gaps.append(Gap(part: .hook, place: effective, what: what, isMendable: false))
        }
        if let what = try obstacle(to: record) {
            gaps.append(Gap(part: .hook, place: record.hook, what: what, isMendable: true))
        }
        for setting in Self.settings {
            let values = try await gitConfig(["--get-all", setting.key], in: path).split(separator: "\n").map(
                String.init)
            if setting.isMulti ? values.contains(setting.value) : values.last == setting.value { continue }
            let what = "it is \(values.last ?? "not set"), and should be \(setting.value)"
            gaps.append(Gap(part: .setting, place: "\(path) \(setting.key)", what: what, isMendable: true))
        }
        return gaps
    }

    /// Installs the hook and the settings again, and makes the ledger know the app.
    func mend(_ app: App, say: (String) -> Void) async throws {
        let request = Request(repository: app.pipeline.repository, app: app.name, template: "static", targets: "/")
        try await initialise(request, say: say)
    }

    private func obstacle(to record: Record) throws -> String? {
        guard let text = try FileSystem.readText(record.hook) else {
            return "the hook is gone, so pushes are noticed late"
        }
        if !text.contains(Self.hookMark) { return "it is another's hook, so pushes are noticed late" }
        if text != (try hookText(record)) {
            return "it names another program or another home than \(program) and \(installation.home.path)"
        }
        return access(record.hook, X_OK) == 0 ? nil : "it is not executable"
    }
}
