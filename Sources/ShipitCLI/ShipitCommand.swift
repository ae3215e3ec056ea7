public import ArgumentParser
import Glibc
import Shipit

/// `shipit` itself: the list of commands, and the one place where an error becomes words and an exit status.
public struct ShipitCommand: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "shipit",
        abstract: "git push, and the commit is built once, live on staging, and one command away from production.",
        discussion: """
            EXAMPLE
              shipit init /srv/git/blog.git     make the app blog
              git push                          build it, and deploy it to staging
              shipit plan                       what would go to production
              shipit promote                    bring staging's revision to production
              shipit rollback                   back to what worked before

            Exit status: 0 done, or waiting for a person · 1 the run failed or was cancelled, or a check found \
            something · 2 shipit could not do it · 64 usage · 65 bad configuration · 69 nothing to do it with · \
            75 busy, held or superseded · 130 interrupted.
            """,
        version: Versions.shipit,
        groupedSubcommands: [
            CommandGroup(
                name: "Set up",
                subcommands: [
                    InitCommand.self, TemplateCommand.self, AppsCommand.self, RemoveCommand.self, EnvCommand.self,
                    NotifyCommand.self, ValidateCommand.self, ImportCommand.self, DemoCommand.self,
                ]),
            CommandGroup(
                name: "See",
                subcommands: [
                    StatusCommand.self, RunsCommand.self, ShowCommand.self, LogCommand.self, RevisionsCommand.self,
                    PlanCommand.self, ArtifactsCommand.self, StatsCommand.self,
                ]),
            CommandGroup(
                name: "Ship",
                subcommands: [
                    StartCommand.self, PromoteCommand.self, ApproveCommand.self, RejectCommand.self,
                    RollbackCommand.self, CancelCommand.self, RetryCommand.self, HoldCommand.self,
                    UnholdCommand.self, PauseCommand.self, ResumeCommand.self,
                    MarkCommand.self,
                ]),
            CommandGroup(name: "Without an app", subcommands: [DeployLocalCommand.self]),
            CommandGroup(
                name: "Keep running",
                subcommands: [
                    ServeCommand.self, WorkCommand.self, FetchCommand.self, FsckCommand.self, VerifyCommand.self,
                    RepairCommand.self,
                    DoctorCommand.self,
                    GcCommand.self,
                ]),
        ])

    public init() {}

    /// Runs the command of this process's arguments, and ends the process with the documented exit status.
    public static func runAndExit() async -> Never {
        // A reader that went away must not kill what is under way; writing to it fails and is ignored.
        signal(SIGPIPE, SIG_IGN)
        do {
            var command = try FollowCommand.parseIfAsked() ?? WorkCommand.parseIfAsked() ?? ShipitCommand.parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            Glibc.exit(0)
        } catch {
            Glibc.exit(Terminal().complain(error))
        }
    }
}
