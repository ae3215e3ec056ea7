import Glibc

/// A program to run, as a value: argv array, environment from nothing.
public struct Command: Hashable, Sendable {
    /// An absolute path.
    public var program: String
    public var arguments: [String]
    /// All of it; nothing is inherited.
    public var environment: [String: String]
    public var directory: String
    /// Runs as this user; needs root. Nil: as we are.
    public var user: User?
    /// The value of SHIPIT_MARK in every process that comes of it, by which stragglers are found.
    public var mark: String?

    public init(
        _ program: String, _ arguments: [String] = [], environment: [String: String] = Command.plainEnvironment,
        in directory: String = "/", as user: User? = nil, mark: String? = nil
    ) {
        self.program = program
        self.arguments = arguments
        self.environment = environment
        self.directory = directory
        self.user = user
        self.mark = mark
    }

    public static let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    /// Where a program of this name is on the plain path.
    static func find(_ name: String) -> String? {
        path.split(separator: ":").map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }

    public static let plainEnvironment = ["PATH": path, "LANG": "C.UTF-8", "SWIFT_BACKTRACE": "enable=no"]
}

/// How a program ended: returned, never thrown.
public enum Exit: Hashable, Sendable, CustomStringConvertible {
    case code(Int32)
    case signal(Int32)

    public var isSuccess: Bool { self == .code(0) }

    public var description: String {
        switch self {
        case .code(let code): "exit status \(code)"
        case .signal(let signal): "killed by signal \(signal)"
        }
    }
}

/// What there is to say about a program that ran.
public struct Outcome: Hashable, Sendable {
    public enum Stop: Hashable, Sendable {
        case timedOut, cancelled
    }

    public var exit: Exit
    /// Why it was stopped before its own end; nil when it ended by itself.
    public var stopped: Stop?
    /// Processes that kept its output open after it had ended well.
    public var outputHeldBy: [Int32] = []
    public var duration: Duration

    public var isSuccess: Bool { exit.isSuccess && stopped == nil && outputHeldBy.isEmpty }
}
