// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

let package = Package(
    name: "shipit",
    products: [
        .executable(name: "shipit", targets: ["shipit"]),
        .executable(name: "shipit-receive", targets: ["shipit-receive"]),
    ],
    dependencies: [
        // Commands, help, completions and man pages from one declaration.
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        // SHA-256, and SHA-1 for git's ids, with the processor's own instructions.
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        // What operators read; users read events.
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        // File descriptors and paths as bytes.
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        // The ledger: SQLite with migrations and safe concurrent access.
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        // libyaml, the parser that AWS's agent has too: Yams brings it along, and its events are all that is used.
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        // Starts and stops the worker and the watcher together, and turns signals into a graceful end.
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        // Starts programs with argv arrays and waits for them without blocking a thread.
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2", traits: []),
    ],
    targets: [
        .systemLibrary(
            name: "CLibgit2", pkgConfig: "libgit2", providers: [.apt(["libgit2-dev"])]),
        .systemLibrary(
            name: "CLibarchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),
        // libgit2 and git both hold a large loose object as a whole; zlib alone inflates it piece by piece.
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        // System calls that Glibc's Swift module does not show: openat2, pidfd_open, close_range and the like.
        .target(name: "CLinux"),
        .target(
            name: "GitKit",
            dependencies: ["CLibgit2", "CZlib", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: settings),
        .target(
            name: "ArtifactKit",
            dependencies: [
                "CLibarchive", "CLinux",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "SystemPackage", package: "swift-system"),
            ],
            swiftSettings: settings),
        // The spool file's format, and nothing but Glibc, since the receiving program must start in a millisecond.
        .target(name: "Spool", dependencies: ["CLinux"], swiftSettings: settings),
        .target(
            name: "Shipit",
            dependencies: [
                "GitKit", "ArtifactKit", "Spool", "CLinux",
                .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "Yams", package: "Yams"),
                .product(name: "Subprocess", package: "swift-subprocess"),
                .product(name: "SystemPackage", package: "swift-system"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings,
            plugins: ["EmbedFiles"]),
        .target(
            name: "ShipitCLI",
            dependencies: [
                "Shipit", "GitKit", "ArtifactKit",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: settings),
        // Puts hooks/ and templates/ into the binary.
        .plugin(name: "EmbedFiles", capability: .buildTool(), dependencies: ["EmbedFilesTool"]),
        .executableTarget(name: "EmbedFilesTool", path: "Sources/EmbedFiles", swiftSettings: settings),
        .executableTarget(name: "shipit", dependencies: ["ShipitCLI"], swiftSettings: settings),
        // Each push waits for it: linked statically it starts in 1.4 ms instead of 3.
        .executableTarget(
            name: "shipit-receive", dependencies: ["Spool", "CLinux"], swiftSettings: settings,
            linkerSettings: [.unsafeFlags(["-static-executable"], .when(configuration: .release))]),
        .testTarget(name: "GitKitTests", dependencies: ["GitKit"], swiftSettings: settings),
        .testTarget(name: "ArtifactKitTests", dependencies: ["ArtifactKit"], swiftSettings: settings),
        .testTarget(name: "ReceiveTests", dependencies: ["Spool", "shipit-receive"], swiftSettings: settings),
        .testTarget(name: "ShipitTests", dependencies: ["ShipitCLI", "Shipit"], swiftSettings: settings),
    ]
)
