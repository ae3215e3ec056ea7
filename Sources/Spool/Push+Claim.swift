extension Push {
    /// A hint about who pushed, taken from the hook's environment; only the repository owner's hints may be believed.
    public struct Claim: Hashable, Sendable {
        /// The environment variable's name, one of `knownNames` unless another version wrote it.
        public var name: String
        public var value: [UInt8]

        public init(name: String, value: [UInt8]) {
            self.name = name
            self.value = value
        }

        /// The variables that are looked for, the most telling first.
        public static let knownNames = [
            "GL_USER", "GL_ID", "GL_USERNAME", "GITEA_PUSHER_NAME", "GIT_PUSH_CERT_SIGNER", "REMOTE_USER",
            "SSH_CONNECTION", "SSH_USER_AUTH", "SUDO_UID", "SUDO_USER", "USER",
        ]
    }
}
