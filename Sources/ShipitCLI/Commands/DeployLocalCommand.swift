import ArgumentParser
import Foundation
import Shipit

struct DeployLocalCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deploy-local", abstract: "Install one bundle on this machine as its appspec.yml says.",
        discussion: """
            Takes the flags of AWS's codedeploy-local, keeps its folders and writes its logs; needs no app, no repository \
            and no account. What is wrong is said before anything is touched, and an installation that fails leaves the old \
            files. Ends with 0, with 1 for whatever went wrong, with 64 for flags that nobody knows.

            EXAMPLE
              shipit deploy-local -l . -b OVERWRITE
              shipit deploy-local -l app.tgz -t tgz -e BeforeInstall,ApplicationStart
            """)

    @Option(
        name: [.customShort("l"), .long],
        help: ArgumentHelp("The bundle, a folder or an archive. (default: the current folder)", valueName: "path"))
    var bundleLocation: String?
    @Option(name: [.short, .long], help: "What it is: tgz, tar, zip or directory.")
    var type = "directory"
    @Option(
        name: [.customShort("b"), .long],
        help: ArgumentHelp(
            "What becomes of files that no earlier deployment brought: DISALLOW, OVERWRITE or RETAIN.",
            valueName: "behavior"))
    var fileExistsBehavior = "DISALLOW"
    @Option(
        name: [.customShort("g"), .long],
        help: ArgumentHelp("The group whose files an installation replaces.", valueName: "id"))
    var deploymentGroup = "default-local-deployment-group"
    @Option(
        name: [.customShort("d"), .long],
        help: ArgumentHelp("DEPLOYMENT_GROUP_NAME of hook scripts.", valueName: "name"))
    var deploymentGroupName = "LocalFleet"
    @Option(
        name: [.short, .long],
        help: ArgumentHelp("APPLICATION_NAME of hook scripts. (default: the bundle's path)", valueName: "name"))
    var applicationName: String?
    @Option(
        name: [.short, .long], help: ArgumentHelp("Some lifecycle events alone, in this order.", valueName: "a,b"))
    var events: String?
    @Option(
        name: [.customShort("c"), .long],
        help: ArgumentHelp(
            "The agent's configuration file; of it root_dir, max_revisions and enable_deployments_log count.",
            valueName: "path"))
    var agentConfigurationFile: String?
    @Option(
        name: [.customShort("A"), .long],
        help: ArgumentHelp("The appspec, when it is not called appspec.yml.", valueName: "name"))
    var appspecFilename: String?
    @Flag(
        help: "Go on when a script of what is installed now, at ApplicationStop or the events before it, fails.")
    var ignoreApplicationStopFailures = false

    func run() async throws {
        let terminal = Terminal()
        var log: String?
        do {
            let deployment = try deployment(terminal)
            log = deployment.scriptsLog
            Interruption.handle { deployment.stop() }
            try await deployment.run()
            terminal.answer("AppSpec file valid. Local deployment successful")
        } catch is CancellationError {
            throw Ending(status: 130)
        } catch let error where !(error is Ending) {
            _ = terminal.complain(error)
            if let log, FileManager.default.fileExists(atPath: log) { terminal.say("  log: \(log)") }
            throw Ending(status: 1)
        }
    }

    private func deployment(_ terminal: Terminal) throws -> LocalDeployment {
        let folder = FileManager.default.currentDirectoryPath, variables = ProcessInfo.processInfo.environment
        let place = bundleLocation ?? "."
        guard let type = LocalRequest.BundleType(rawValue: type) else {
            throw ShipitError(.usage, "--type wants tgz, tar, zip or directory, found \(visibleLine(type))")
        }
        guard let behavior = Appspec.FileExistsBehavior(rawValue: fileExistsBehavior.uppercased()) else {
            throw ShipitError(
                .usage,
                "--file-exists-behavior wants DISALLOW, OVERWRITE or RETAIN, found \(visibleLine(fileExistsBehavior))")
        }
        let isElsewhere = place.contains("://")
        let whole = place.hasPrefix("/") ? place : "\(folder)/\(place)"
        let path = isElsewhere ? place : URL(filePath: whole).standardizedFileURL.path
        var request = LocalRequest(bundle: path, type: type)
        request.behavior = behavior
        request.group = deploymentGroup
        request.groupName = deploymentGroupName
        request.application = applicationName ?? path
        request.appspec = appspecFilename
        request.ignoresStopFailures = ignoreApplicationStopFailures
        if let events { try request.choose(events.split { $0 == "," || $0 == " " }.map(String.init)) }
        let (configuration, warnings) = try LocalConfiguration.find(
            agentConfigurationFile, orIn: "\(try Home.standard(variables).path)/deploy-local")
        for warning in warnings { terminal.say(warning.description) }
        return LocalDeployment(
            request, configuration, variables: variables, in: folder
        ) { terminal.say($0) }
    }
}
