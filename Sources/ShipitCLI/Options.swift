import ArgumentParser
import Foundation
import Shipit

/// What every command that looks at this machine's shipit has.
struct Options: ParsableArguments {
    @Option(name: .long, help: "The app; may be left out when there is one, or when you stand in its repository.")
    var app: String?

    func installation() throws -> Installation {
        let variables = ProcessInfo.processInfo.environment
        return try Installation.open(try Home.standard(variables), person: User.person(variables))
    }

    /// The app that is meant: the named one, the only one, or the one whose repository is the working directory.
    func chosenApp(_ installation: Installation) throws -> App {
        if let app { return try installation.app(app) }
        let names = installation.appNames()
        if names.count == 1 { return try installation.app(names[0]) }
        let here = FileManager.default.currentDirectoryPath
        let matching = installation.apps().apps.filter {
            here == $0.repositoryPath || here.hasPrefix($0.repositoryPath + "/")
        }
        if matching.count == 1 { return matching[0] }
        if names.isEmpty {
            throw ShipitError(.unavailable, "there are no apps yet", hint: "shipit init REPOSITORY makes the first")
        }
        throw ShipitError(
            .usage, "there are several apps, and none was named",
            hint: "--app \(names.joined(separator: ", or --app "))")
    }

    /// The app of a run, whose number says enough.
    func app(of run: Int64?, _ installation: Installation) throws -> App {
        guard let run else { return try chosenApp(installation) }
        guard let record = try installation.ledger.run(run) else { throw noSuchRun(run) }
        guard app == nil || app == record.run.app else {
            throw ShipitError(
                .usage, "run \(run) is one of \(record.run.app)", hint: "--app \(record.run.app), or none")
        }
        return try installation.app(record.run.app)
    }

    /// The named app, or nil for all of them.
    func appFilter(_ installation: Installation) throws -> String? {
        guard let app else { return nil }
        return try installation.app(app).name
    }
}

/// Commands that list or show something.
struct JSONOption: ParsableArguments {
    @Flag(name: .long, help: "Print JSON with stable names, for programs.")
    var json = false
}

/// Commands that start something.
struct FollowOption: ParsableArguments {
    @Flag(name: .long, help: "Print the run's number and leave instead of following it.")
    var detach = false
}

/// This program's own absolute path.
enum OwnProgram {
    static var path: String {
        // Without /proc the name that we were called by is the best there is.
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    }
}
