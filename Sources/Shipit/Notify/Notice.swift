import GRDB
import GitKit

/// An event with the facts that somebody who was not there needs; every text of it is safe to print.
struct Notice: Hashable, Sendable {
    let id: Int64
    let at: Timestamp
    let kind: String
    var topic: Destination.Topic?
    let app: String
    var run: Int64?
    /// `build`, or the name of an environment.
    var job: String?
    var environment: String?
    var revision: Revision?
    var subject: String?
    var reference: String?
    var by: String?
    var status: Status?
    var reason: String?
    let text: String
    /// Of a deployment: what is live now, and what was before it.
    var live: Revision?
    var previous: Revision?
    /// What would move what waits.
    var command: String?

    /// What `environments:` of a destination is compared with.
    var place: String? { environment ?? job }

    /// One line for people.
    var sentence: String {
        let run = run.map { " run \($0)" } ?? ""
        let what = subject.map { " (\($0))" } ?? ""
        return "\(app)\(run): \(text)\(what)"
    }

    /// What a test of destinations sends.
    static func test(_ app: String, by: String) -> Notice {
        var notice = Notice(
            id: 0, at: .now, kind: Event.Kind.notifyTest.rawValue, app: app,
            text: "a test of notifications, by \(by)")
        notice.by = by
        return notice
    }
}

extension Notice {
    /// `isOnlyApp`: commands need not name the app.
    init(_ event: Event, _ app: String, _ ledger: Ledger, isOnlyApp: Bool) throws {
        self.init(
            id: event.id, at: event.at, kind: event.kind.rawValue, app: app, text: String(event.text.prefix(1000)))
        environment = event.environment
        topic = Self.topic(event.kind)
        guard let id = event.run, let run = try ledger.run(id)?.run else { return }
        self.run = id
        revision = run.revision
        reference = run.reference.map { String($0.prefix(500)) }
        by = visibleLine(String(run.by.prefix(200)))
        guard let number = event.job, let job = try ledger.job(number) else { return }
        self.job = job.name
        if let by = job.by { self.by = visibleLine(String(by.prefix(200))) }
        status = Self.status(event.kind)
        // A job that went on since then has another reason now.
        if status == job.status { reason = job.reason.map { visibleLine(String($0.prefix(1000))) } }
        guard job.kind == .deploy else {
            if topic == .live { topic = .built }
            return
        }
        environment = job.name
        if status == .waiting, job.status == .waiting {
            command = Self.command(job, run, isOnlyApp ? "" : " --app \(app)")
        }
        guard let deployment = try ledger.deployment(of: job.id) else { return }
        let before = try deployment.previous.flatMap { try ledger.deployment($0)?.revision }
        switch topic {
        case .live:
            if deployment.kind == .rollback { topic = .rolledBack }
            (live, previous) = (deployment.revision, before)
        default: live = before
        }
    }

    private static func topic(_ kind: Event.Kind) -> Destination.Topic? {
        switch kind {
        case .jobStarted: .started
        case .jobWaiting: .waiting
        case .jobSucceeded: .live
        case .jobFailed, .jobErrored: .failed
        case .jobCancelled: .cancelled
        case .jobSuperseded: .superseded
        case .holdPlaced: .held
        case .holdLifted: .lifted
        case .pushIgnored: .ignored
        default: nil
        }
    }

    private static func status(_ kind: Event.Kind) -> Status? {
        switch kind {
        case .jobQueued, .jobInterrupted: .queued
        case .jobStarted, .jobProgress: .running
        case .jobWaiting: .waiting
        case .jobSucceeded: .succeeded
        case .jobFailed: .failed
        case .jobErrored: .errored
        case .jobCancelled: .cancelled
        case .jobSuperseded: .superseded
        default: nil
        }
    }

    private static func command(_ job: Job, _ run: Run, _ app: String) -> String? {
        switch job.waits {
        case .promotion: "shipit promote \(run.revision.abbreviated()) --to \(job.name)\(app)"
        case .approval: "shipit approve \(run.id)\(app)"
        case .hold: "shipit unhold \(job.name)\(app)"
        case .pause: "shipit resume"
        default: nil
        }
    }
}

extension Notice: Encodable {
    private enum Key: String, CodingKey {
        case id, at, kind, topic, app, run, job, environment, revision, subject, reference, by, status, reason, text
        case live, previous, command
    }

    /// What is absent is null, as everywhere else.
    func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: Key.self)
        try values.encode(id, forKey: .id)
        try values.encode(at.rfc3339, forKey: .at)
        try values.encode(kind, forKey: .kind)
        try values.encode(topic?.rawValue, forKey: .topic)
        try values.encode(app, forKey: .app)
        try values.encode(run, forKey: .run)
        try values.encode(job, forKey: .job)
        try values.encode(environment, forKey: .environment)
        try values.encode(revision?.hex, forKey: .revision)
        try values.encode(subject, forKey: .subject)
        try values.encode(reference, forKey: .reference)
        try values.encode(by, forKey: .by)
        try values.encode(status?.rawValue, forKey: .status)
        try values.encode(reason, forKey: .reason)
        try values.encode(text, forKey: .text)
        try values.encode(live?.hex, forKey: .live)
        try values.encode(previous?.hex, forKey: .previous)
        try values.encode(command, forKey: .command)
    }
}
