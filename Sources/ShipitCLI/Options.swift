import ArgumentParser
import Foundation
import GitKit
import Shipit

/// What every command that looks at this machine's shipit needs; alone where it is about all apps.
struct Machine: ParsableArguments {
    func installation() throws -> Installation {
        let variables = ProcessInfo.processInfo.environment
        return try Installation.open(try Home.standard(variables), person: User.person(variables))
    }
}

/// What a command has that is about one app.
struct Options: ParsableArguments {
    @Option(
        name: .long, help: "The app; may be left out when there is one, or when you stand in its repository or a clone."
    )
    var app: String?

    func installation() throws -> Installation { try Machine().installation() }

    /// The app that is meant: the named one, the only one, or the one in whose repository or clone the caller stands.
    func chosenApp(_ installation: Installation) throws -> App {
        if let app { return try installation.app(app) }
        let names = installation.appNames()
        if names.count == 1 { return try installation.app(names[0]) }
        if names.isEmpty {
            throw ShipitError(.unavailable, "there are no apps yet", hint: "shipit init REPOSITORY makes the first")
        }
        let here = FileManager.default.currentDirectoryPath
        let origin = Self.origin(of: here)
        let matching = installation.apps().apps.filter {
            let repository = Self.resolved($0.repositoryPath)
            return here == repository || here.hasPrefix(repository + "/") || origin == repository
                || origin == $0.pipeline.repository
        }
        if matching.count == 1 { return matching[0] }
        let meant = matching.isEmpty ? names : matching.map(\.name)
        throw ShipitError(
            .usage,
            "there are several apps\(matching.isEmpty ? "" : " of this repository"), and none was named",
            hint: "--app \(meant.joined(separator: ", or --app "))")
    }

    /// Where the clone around a folder came from: a path of this machine, or a URL.
    private static func origin(of folder: String) -> String? {
        var folder = folder
        while !FileManager.default.fileExists(atPath: folder + "/.git") {
            guard folder != "/" else { return nil }
            folder = (folder as NSString).deletingLastPathComponent
        }
        // A clone that cannot be read, such as somebody else's, says nothing about what is meant.
        guard let origin = try? Repository(at: folder).config("remote.origin.url") else { return nil }
        if origin.hasPrefix("file:///") { return resolved(String(origin.dropFirst("file://".count))) }
        return origin.hasPrefix("/") ? resolved(origin) : origin
    }

    private static func resolved(_ path: String) -> String {
        URL(fileURLWithPath: path).resolvingSymlinksInPath().path
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

    /// ` --app NAME` for commands that people are told to type, where it is needed.
    static func flag(_ app: String, _ installation: Installation) -> String {
        installation.appNames().count > 1 ? " --app \(app)" : ""
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
