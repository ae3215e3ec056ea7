/// AWS's names of the moments in a deployment (AWS reference 1.7); an appspec may have others that a person asks for.
public struct LifecycleEvent: RawRepresentable, Hashable, Sendable, Codable, CodingKeyRepresentable {
    public let rawValue: String

    public init(rawValue: String) { self.rawValue = rawValue }

    public static let applicationStop = Self(rawValue: "ApplicationStop")
    public static let beforeInstall = Self(rawValue: "BeforeInstall")
    public static let afterInstall = Self(rawValue: "AfterInstall")
    public static let applicationStart = Self(rawValue: "ApplicationStart")
    public static let validateService = Self(rawValue: "ValidateService")
    /// shipit's own: of the live release, before a person's rollback touches anything.
    public static let rollback = Self(rawValue: "Rollback")

    static let beforeBlockTraffic = Self(rawValue: "BeforeBlockTraffic")
    static let afterBlockTraffic = Self(rawValue: "AfterBlockTraffic")
    static let beforeAllowTraffic = Self(rawValue: "BeforeAllowTraffic")
    static let afterAllowTraffic = Self(rawValue: "AfterAllowTraffic")
    static let downloadBundle = Self(rawValue: "DownloadBundle")
    static let install = Self(rawValue: "Install")

    /// Those of a deployment without a load balancer, in their order.
    public static let ofDeployment: [Self] = [
        .applicationStop, .beforeInstall, .afterInstall, .applicationStart, .validateService,
    ]

    /// Those that AWS does not know.
    static let ofShipit: [Self] = [.rollback]

    /// Those that run behind a load balancer only.
    static let ofTraffic: [Self] = [.beforeBlockTraffic, .afterBlockTraffic, .beforeAllowTraffic, .afterAllowTraffic]

    /// What the agent does itself: scripts may stand there, and are never run.
    static let ofAgent: [Self] = [.downloadBundle, .install]

    /// The name of the server's own hook script: `application-stop`.
    public var fileName: String {
        var name = ""
        for character in rawValue {
            if character.isUppercase, !name.isEmpty { name += "-" }
            name += character.lowercased()
        }
        return name
    }
}
