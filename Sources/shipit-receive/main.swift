import Glibc

do {
    let arguments = try Arguments(parsing: CommandLine.arguments.dropFirst())
    if arguments.listsFailpoints {
        Failpoint.allCases.forEach { print($0.rawValue) }
        exit(0)
    }
    exit(Receiver(arguments: arguments).run())
} catch {
    Terminal.complain("the push was accepted but NOT queued: \(error)")
    exit(64)
}
