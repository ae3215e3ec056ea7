import ArgumentParser
import Foundation
import Shipit

struct ValidateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate", abstract: "Judge pipeline.yml, buildspec.yml and appspec.yml before they are pushed.",
        discussion: """
            A file is judged by itself; a folder, a bundle (tar, tgz, zip) or a revision together with everything that its \
            files name. Below each finding stands what AWS does with it. Errors end with 65, warnings alone with 0. Only a \
            revision needs an app.

            EXAMPLE
              shipit validate .
              shipit validate bundle.zip
              shipit validate /var/lib/shipit/apps/blog/pipeline.yml
              shipit validate main --app blog
            """)

    @Argument(help: "A file, a folder, a bundle, or a revision of an app.") var what = "."
    @Option(
        name: .long, help: "What the file is, when its name does not say so: pipeline, buildspec or appspec.",
        transform: Self.kind)
    var kind: Validation.Kind?
    @Option(
        name: [.customShort("A"), .customLong("appspec-filename")],
        help: "What the appspec is called in the folder or bundle (default: appspec.yml).")
    var appspec: String?
    @OptionGroup var json: JSONOption
    @OptionGroup var options: Options

    func run() async throws {
        let terminal = Terminal()
        let validation = try await judge(terminal)
        if json.json {
            terminal.answer([
                "files": .array(validation.files.map(JSON.string)),
                "diagnostics": .array(
                    validation.diagnostics.map {
                        [
                            "severity": .string($0.severity.rawValue), "file": .string($0.file), "line": JSON($0.line),
                            "column": JSON($0.column), "message": .string($0.message), "on_aws": JSON($0.onAWS),
                        ]
                    }),
            ])
        } else {
            let list = DiagnosticList(diagnostics: validation.diagnostics, terminal: terminal)
            if !validation.diagnostics.isEmpty { terminal.answer(list.text + "\n") }
            terminal.say("\(validation.files.joined(separator: ", ")): \(list.verdict)")
        }
        if validation.hasErrors { throw Ending(status: 65) }
    }

    private static func kind(_ word: String) throws -> Validation.Kind {
        guard let kind = Validation.Kind(rawValue: word) else {
            throw ValidationError("--kind wants pipeline, buildspec or appspec")
        }
        return kind
    }

    private func judge(_ terminal: Terminal) async throws -> Validation {
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: what, isDirectory: &isFolder) {
            if isFolder.boolValue { return try Validation(directory: what, appspec: appspec) }
            if kind != nil || what.hasSuffix(".yml") || what.hasSuffix(".yaml") || what.hasSuffix(".json") {
                return try Validation(file: what, kind: kind)
            }
            let scratch = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
            return try Validation(bundle: what, appspec: appspec, scratch: scratch)
        }
        if kind != nil || what.contains("/") && what.hasSuffix("ml") {
            throw ShipitError(.unavailable, "there is no file \(visibleLine(what))")
        }
        let installation = try options.installation()
        let app = try options.chosenApp(installation)
        let (revision, reading) = try RevisionResolver(installation, app).resolve(what)
        if let reading { terminal.say(reading) }
        return try Validation(
            revision: revision, of: app, in: installation, viewObstacle: await Validation.viewObstacle())
    }
}
