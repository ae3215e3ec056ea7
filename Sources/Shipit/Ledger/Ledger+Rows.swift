import ArtifactKit
public import GRDB
import GitKit

extension Status: DatabaseValueConvertible {}
extension Run.Kind: DatabaseValueConvertible {}
extension Job.Kind: DatabaseValueConvertible {}
extension Job.Wait: DatabaseValueConvertible {}
extension Deployment.Kind: DatabaseValueConvertible {}
extension Artifact.Method: DatabaseValueConvertible {}
extension Hold.Kind: DatabaseValueConvertible {}
extension Event.Kind: DatabaseValueConvertible {}

extension Timestamp: DatabaseValueConvertible {
    public var databaseValue: DatabaseValue { milliseconds.databaseValue }

    public static func fromDatabaseValue(_ value: DatabaseValue) -> Timestamp? {
        Int64.fromDatabaseValue(value).map(Timestamp.init(milliseconds:))
    }
}

/// A column that holds what no shipit writes: the ledger was changed by hand or is damaged.
private func value<Value>(_ column: String, _ value: Value?) throws -> Value {
    guard let value else { throw ShipitError(.failure, "the ledger has an unreadable \(column)", hint: "shipit fsck") }
    return value
}

extension Run: FetchableRecord {
    public init(row: Row) throws {
        id = row["id"]
        kind = row["kind"]
        app = row["app"]
        revision = try value("revision", ObjectID(row["revision"] as String))
        reference = row["reference"]
        by = row["by"]
        reason = row["reason"]
        rebuild = row["rebuild"]
        entry = row["entry"]
        goal = row["goal"]
        isNext = row["is_next"]
        isEmergency = row["emergency"]
        createdAt = row["created_at"]
    }
}

extension Job: FetchableRecord {
    public init(row: Row) throws {
        id = row["id"]
        run = row["run"]
        app = row["app"]
        position = row["position"]
        name = row["name"]
        kind = row["kind"]
        status = row["status"]
        waits = row["waits"]
        reason = row["reason"]
        attempt = row["attempt"]
        worker = row["worker"]
        policy = row["policy"]
        artifact = row["artifact"]
        backTo = row["back_to"]
        ignoresStopFailures = row["ignores_stop_failures"]
        skipsRollbackHook = row["skips_rollback_hook"]
        isEmergency = row["emergency"]
        by = row["by"]
        why = row["why"]
        retries = row["retries"]
        wakesAt = row["wakes_at"]
        cancelledBy = row["cancelled_by"]
        startedAt = row["started_at"]
        endedAt = row["ended_at"]
        duration = row["duration"]
    }
}

extension Deployment: FetchableRecord {
    public init(row: Row) throws {
        id = row["id"]
        job = row["job"]
        run = row["run"]
        app = row["app"]
        environment = row["environment"]
        kind = row["kind"]
        revision = try value("revision", ObjectID(row["revision"] as String))
        artifact = row["artifact"]
        release = row["release"]
        previous = row["previous"]
        status = row["status"]
        reason = row["reason"]
        by = row["by"]
        token = row["token"]
        irreversible = row["irreversible"]
        checks = DeploymentNotes.checks(row["checks"])
        isEmergency = row["emergency"]
        createdAt = row["created_at"]
        endedAt = row["ended_at"]
        duration = row["duration"]
    }
}

extension Artifact: FetchableRecord {
    public init(row: Row) throws {
        id = row["id"]
        app = row["app"]
        revision = try value("revision", ObjectID(row["revision"] as String))
        manifest = try Self.digest(row, "manifest")
        digest = try Self.digest(row, "digest")
        size = row["size"]
        file = row["file"]
        method = row["method"]
        hasExportRules = row["export_rules"]
        run = row["run"]
        createdAt = row["created_at"]
        removedAt = row["removed_at"]
    }

    /// Empty: not known yet.
    private static func digest(_ row: Row, _ column: String) throws -> Digest? {
        let hex: String = row[column]
        return hex.isEmpty ? nil : try value(column, Digest(hex: hex))
    }
}

extension WorkerRecord: FetchableRecord {
    public init(row: Row) throws {
        id = row["id"]
        pid = row["pid"]
        startTicks = row["start_ticks"]
        boot = row["boot"]
        beat = row["beat"]
        startedAt = row["started_at"]
    }
}

extension Event: FetchableRecord {
    public init(row: Row) throws {
        id = row["id"]
        at = row["at"]
        kind = row["kind"]
        app = row["app"]
        run = row["run"]
        job = row["job"]
        environment = row["environment"]
        text = row["text"]
    }
}
