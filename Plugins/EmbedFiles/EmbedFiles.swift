import Foundation
import PackagePlugin

/// Puts the package's `hooks/` and `templates/` into the target that uses it, so that an installed shipit needs no
/// resource folder.
@main
struct EmbedFiles: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
        let output = context.pluginWorkDirectoryURL.appending(path: "EmbeddedFiles.swift")
        return [
            .buildCommand(
                displayName: "Embedding hooks and templates",
                executable: try context.tool(named: "EmbedFilesTool").url,
                arguments: [output.path, context.package.directoryURL.path, "hooks", "templates"],
                // Another one in each build, so the generator always runs; it writes only what changed. Were the files
                // named here, a renamed one would fail the build, and a new one or a new mode would go unnoticed:
                // SwiftPM does not ask a plugin again while Package.swift and the sources' names stay the same.
                inputFiles: [URL(filePath: "/proc/self")],
                outputFiles: [output])
        ]
    }
}
