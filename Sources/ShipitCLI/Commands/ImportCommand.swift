import ArgumentParser
import Foundation
import Shipit

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Make a pipeline.yml of another tool's definitions.",
        subcommands: [ImportAWSCommand.self])
}

struct ImportAWSCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "aws", abstract: "Make a pipeline.yml of what AWS prints of a pipeline.",
        discussion: """
            Reads what `aws codepipeline get-pipeline`, `aws codebuild batch-get-projects` and `aws deploy \
            get-deployment-group` print, in any order. Writes the policy to its output, and says line by line what was \
            kept, what is to be done by hand, and what has no counterpart here.

            EXAMPLE
              shipit import aws pipeline.json project.json group.json >pipeline.yml
            """)

    @Argument(help: "Files with what AWS printed.") var files: [String]
    @Option(help: "The bare repository on this machine.") var repository: String?
    @OptionGroup var json: JSONOption

    func run() throws {
        let terminal = Terminal()
        let contents = try files.map { file in
            guard let bytes = FileManager.default.contents(atPath: file) else {
                throw ShipitError(.unavailable, "there is no file \(visibleLine(file))")
            }
            return (name: file, bytes: Array(bytes))
        }
        let result = try AWSImport(contents, repository: repository)
        if json.json {
            return terminal.answer([
                "policy": .string(result.policy),
                "remarks": .array(
                    result.remarks.map {
                        ["kind": .string($0.kind.rawValue), "place": .string($0.place), "text": .string($0.text)]
                    }),
            ])
        }
        for (kind, title) in [
            (AWSImport.Remark.Kind.kept, "kept"), (.byHand, "to be done"), (.absent, "without counterpart"),
        ] {
            let remarks = result.remarks.filter { $0.kind == kind }
            if remarks.isEmpty { continue }
            terminal.say("\(title):")
            for remark in remarks { terminal.say("  \(remark.place): \(remark.text)") }
        }
        terminal.answer(String(result.policy.dropLast()))
    }
}
