import ArgumentParser
import Foundation
import Shipit

struct InitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Make an app of a repository.",
        discussion: """
            Makes the bare repository if there is none, writes its policy (pipeline.yml), installs the hook (an existing \
            one goes on running after it) and the git settings that make a push durable; each is said. Present branches \
            are taken as known, not shipped. `shipit remove` undoes exactly this.

            A repository elsewhere is named by its URL (https://, http://, ssh://, git://, file:// or git@host:path): it is \
            fetched into a mirror while `shipit serve` runs, and nothing is installed or changed there.

            EXAMPLE
              shipit init /srv/git/blog.git --template python
              shipit init git@git.example.org:ann/blog.git
            """)

    @Argument(help: "The repository's folder, such as /srv/git/blog.git, or a URL.") var repository: String
    @Option(name: .long, help: "The app's name (default: the repository's).") var app: String?
    @Option(name: .long, help: "Whose policy to begin with: \(Templates.names.joined(separator: ", ")).")
    var template = "static"
    @Option(
        name: .long,
        help: ArgumentHelp("The folder of the targets (default: /srv/APP for root, else ~/APP).", valueName: "folder"))
    var targets: String?

    func run() async throws {
        let terminal = Terminal()
        let variables = ProcessInfo.processInfo.environment
        let isRemote = Pipeline.isRemote(repository)
        let path = isRemote ? repository : absolute(repository)
        let name = app ?? Self.name(of: path)
        let home = try Home.standard(variables)
        let installation = try Installation.open(home, person: User.person(variables), creating: true)
        let base = targets.map(absolute) ?? (geteuid() == 0 ? "/srv/\(name)" : "\(NSHomeDirectory())/\(name)")
        let setup = Setup(installation, program: OwnProgram.path)
        let request = Setup.Request(repository: path, app: name, template: template, targets: base)
        try await setup.initialise(request) { terminal.say($0) }
        let next = isRemote ? "shipit serve, which fetches it every minute" : "git push \(path) main"
        terminal.say("the app \(name) is ready; look at its policy, then: \(next)")
        terminal.say("  \(home.policy(name))")
    }

    private static func name(of path: String) -> String {
        let last = path.split { $0 == "/" || $0 == ":" }.last { $0 != ".git" } ?? ""
        return (last.hasSuffix(".git") ? last.dropLast(4) : last).lowercased()
    }
}

func absolute(_ path: String) -> String {
    let whole = path.hasPrefix("/") ? path : "\(FileManager.default.currentDirectoryPath)/\(path)"
    var parts: [Substring] = []
    for part in whole.split(separator: "/") where part != "." {
        if part == ".." { _ = parts.popLast() } else { parts.append(part) }
    }
    return "/" + parts.joined(separator: "/")
}

struct TemplateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "template", abstract: "Write the repository's side of a template.",
        discussion: """
            buildspec.yml, appspec.yml, hook scripts and a small application, commented so that they are the reference. \
            Nothing is overwritten.

            EXAMPLE
              shipit template python .
            """)

    @Argument(help: "\(Templates.names.joined(separator: ", ")).") var name: String
    @Argument(help: "The folder to write into.") var directory = "."

    func run() throws {
        let terminal = Terminal()
        for path in try Templates.write(name, into: absolute(directory)) { terminal.answer(path) }
    }
}

struct AppsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apps", abstract: "List the apps.", discussion: "EXAMPLE\n  shipit apps --json")

    @OptionGroup var json: JSONOption
    @OptionGroup var machine: Machine

    func run() throws {
        let terminal = Terminal()
        let installation = try machine.installation()
        let (apps, problems) = installation.apps()
        if json.json {
            terminal.answer(
                .array(
                    apps.map { app in
                        [
                            "app": .string(app.name), "repository": .string(app.pipeline.repository),
                            "environments": .array(app.pipeline.environments.map { .string($0.name) }),
                            "policy": .string(installation.home.policy(app.name)),
                        ]
                    }))
        } else {
            var table = Table("APP", "REPOSITORY", "ENVIRONMENTS")
            for app in apps {
                table.add(
                    app.name, app.pipeline.repository, app.pipeline.environments.map(\.name).joined(separator: " → "))
            }
            if table.isEmpty, problems.isEmpty {
                terminal.say("there are no apps yet; shipit init REPOSITORY makes the first")
            } else if !table.isEmpty {
                terminal.answer(table)
            }
        }
        var status: Int32 = 0
        for problem in problems { status = max(status, terminal.complain(problem)) }
        if status != 0 { throw Ending(status: status) }
    }
}

struct RemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Undo what init did: hook, settings, policy, ledger. Targets stay.",
        discussion: "EXAMPLE\n  shipit remove blog")

    @Argument(help: "The app.") var app: String
    @OptionGroup var machine: Machine

    func run() async throws {
        let terminal = Terminal()
        let installation = try machine.installation()
        let setup = Setup(installation, program: OwnProgram.path)
        try await setup.remove(try installation.app(app)) { terminal.say($0) }
    }
}
