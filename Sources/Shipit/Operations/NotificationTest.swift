/// A notice that says it is a test, sent to each destination of an app at once; nothing of it is recorded.
public struct NotificationTest: Hashable, Sendable {
    public let name: String
    public let isTaken: Bool
    /// What the destination answered, or why it could not be told.
    public let answer: String
    /// In seconds.
    public let duration: Double

    public static func run(_ installation: Installation, _ app: App) async throws -> [NotificationTest] {
        let secrets = try installation.environmentFile(app.name, "notify")
        let notice = Notice.test(app.name, by: visibleLine(installation.person))
        return try await withThrowingTaskGroup(of: (Int, NotificationTest).self) { group in
            for (index, destination) in app.pipeline.notify.enumerated() {
                let delivery = Delivery(
                    destination: destination, home: installation.home, app: app.name, secrets: secrets)
                group.addTask {
                    let began = ContinuousClock.now
                    let answer = try await delivery.send(notice)
                    let time = (ContinuousClock.now - began).inSeconds
                    return switch answer {
                    case .taken(let words):
                        (index, Self(name: destination.name, isTaken: true, answer: words, duration: time))
                    case .refused(let words):
                        (index, Self(name: destination.name, isTaken: false, answer: words, duration: time))
                    }
                }
            }
            var results: [(Int, NotificationTest)] = []
            for try await result in group { results.append(result) }
            return results.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }
}
