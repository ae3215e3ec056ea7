import ArtifactKit

/// What a person asks of `deploy-local`, with the agent's own words and rules (AWS reference 1.13).
public struct LocalRequest: Hashable, Sendable {
    public enum BundleType: String, Hashable, Sendable, CaseIterable {
        case tgz, tar, zip, directory
    }

    /// An absolute path.
    public var bundle: String
    public var type: BundleType
    public var behavior: Appspec.FileExistsBehavior = .disallow
    /// The group's id, by which its state is kept.
    public var group = "default-local-deployment-group"
    public var groupName = "LocalFleet"
    public var application: String
    /// All that happens, in order, the agent's own two among them.
    public private(set) var events: [LifecycleEvent] = Self.allEvents
    public var appspec: String?
    /// Goes on when a script of what is installed now cannot stop it.
    public var ignoresStopFailures = false

    public init(bundle: String, type: BundleType) {
        self.bundle = bundle
        self.type = type
        application = bundle
    }

    static let allEvents: [LifecycleEvent] = [
        .beforeBlockTraffic, .afterBlockTraffic, .applicationStop, .downloadBundle, .beforeInstall, .install,
        .afterInstall, .applicationStart, .validateService, .beforeAllowTraffic, .afterAllowTraffic,
    ]

    /// Of the revision that is installed already, as long as the new one is not there.
    static let ofFormer: Set<LifecycleEvent> = [.beforeBlockTraffic, .afterBlockTraffic, .applicationStop]

    /// Events that are neither the agent's own nor AWS's.
    var customEvents: Set<String> { Set(events.filter { !Self.allEvents.contains($0) }.map(\.rawValue)) }

    /// Some events alone. What installs is put before them where it is missing.
    public mutating func choose(_ names: [String]) throws {
        var events = names.map(LifecycleEvent.init(rawValue:))
        if !events.contains(.downloadBundle) {
            events.insert(.downloadBundle, at: 0)
        }
        if !events.contains(.install) {
            events.insert(.install, at: (events.firstIndex(of: .downloadBundle) ?? 0) + 1)
        }
        let download = events.firstIndex(of: .downloadBundle) ?? 0, install = events.firstIndex(of: .install) ?? 0
        for (place, event) in events.enumerated() {
            if place < download, !Self.ofFormer.contains(event) {
                throw ShipitError(.usage, "\(visibleLine(event.rawValue)) cannot come before DownloadBundle")
            }
            if place < install, !Self.ofFormer.contains(event), event != .downloadBundle, event != .beforeInstall {
                throw ShipitError(.usage, "\(visibleLine(event.rawValue)) cannot come before Install")
            }
        }
        self.events = events
    }

    /// Whether the bundle is there and of its type, before anything is done.
    public func check() throws {
        guard !bundle.hasPrefix("s3://"), !bundle.hasPrefix("https://"), !bundle.hasPrefix("http://") else {
            throw ShipitError(.usage, "the bundle must be on this machine", hint: "fetch it first, with aws or curl")
        }
        guard FileSystem.exists(bundle) else {
            throw ShipitError(.usage, "there is no bundle \(visibleLine(bundle))")
        }
        if (type == .directory) != FileSystem.isFolder(bundle) {
            let found = FileSystem.isFolder(bundle) ? "a folder" : "a file"
            throw ShipitError(
                .usage, "\(visibleLine(bundle)) is \(found), and the type is \(type.rawValue)",
                hint: "--type says what the bundle is: tgz, tar, zip or directory")
        }
        if let appspec, appspec.split(separator: "/").contains("..") || appspec.hasPrefix("/") {
            throw ShipitError(.usage, "the appspec \(visibleLine(appspec)) must lie inside the bundle")
        }
        guard type == .directory else { return }
        let names = appspec.map { [$0] } ?? Appspec.names
        guard names.contains(where: { FileSystem.exists("\(bundle)/\($0)") }) else {
            throw ShipitError(.usage, "there is no \(names[0]) in \(visibleLine(bundle))")
        }
    }
}
