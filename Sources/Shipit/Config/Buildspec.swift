/// How a revision builds itself: CodeBuild's buildspec.yml, versions 0.2 and 0.1 (AWS reference 3.1).
public struct Buildspec: Hashable, Sendable {
    public enum Version: String, Hashable, Sendable, CaseIterable {
        /// Each command has a shell of its own.
        case one = "0.1"
        /// What a command exports, and where it leaves the working directory, is there for the next.
        case two = "0.2"
    }

    public enum Shell: String, Hashable, Sendable, CaseIterable {
        case sh = "/bin/sh"
        case bash = "/bin/bash"
    }

    public enum PhaseName: String, Hashable, Sendable, CaseIterable {
        case install, preBuild = "pre_build", build, postBuild = "post_build"
    }

    public struct Phase: Hashable, Sendable {
        public var commands: [String] = []
        public var finally: [String] = []
        /// Wins over the file's.
        public var runAs: String?
        /// Nil: what AWS does when nothing is said (AWS reference 3.4).
        public var onFailure: OnFailure?
    }

    /// What becomes of a phase that failed.
    public enum OnFailure: Hashable, Sendable {
        case abort, `continue`
        /// Up to so many more times, if the failure's text matches.
        case retry(times: Int, pattern: String?)

        static let defaultRetries = 3
        static let mostRetries = 100
    }

    /// A language that the build wants, and in which version: `18`, `3.x`, `latest`, `corretto17` or `$NAME`.
    public struct Runtime: Hashable, Sendable {
        public var name: String
        public var version: String
    }

    public struct Artifacts: Hashable, Sendable {
        /// Empty only where there are secondary artifacts: then it is all of theirs.
        public var files: [Glob]
        /// Relative to the source, maybe with `*`; nil for the source itself.
        public var baseDirectory: String?
        public var excludePaths: [Glob] = []
        public var discardPaths = false
        /// Expanded by the build's shell, and told, no more.
        public var name: String?
        public var secondary: [Secondary] = []
    }

    public struct Secondary: Hashable, Sendable {
        public var identifier: String
        public var artifacts: Artifacts
    }

    public var version = Version.two
    public var runAs: String?
    public var shell = Shell.sh
    public var variables: [String: String] = [:]
    /// Variables that come from AWS's parameter store or secrets manager there, and from the app's build secrets here.
    public var secrets: [Secret] = []
    /// Names of variables whose value after the last phase is told to whom it may concern.
    public var exported: [String] = []
    public var wantsCredentialHelper = false
    public var phases: [PhaseName: Phase] = [:]
    public var runtimes: [Runtime] = []
    public var reports: [Report] = []
    /// Nil when the file has no artifacts section: then the whole workspace after the build is packed.
    public var artifacts: Artifacts?
    public var cache: Cache?
    public var batch: Batch?

    /// A variable whose value does not stand in the file.
    public struct Secret: Hashable, Sendable {
        public enum Origin: String, Hashable, Sendable {
            case parameterStore = "parameter-store"
            case secretsManager = "secrets-manager"
        }

        public var name: String
        public var origin: Origin
        /// The parameter, or `secret:key:stage:version`.
        public var reference: String
    }
}
