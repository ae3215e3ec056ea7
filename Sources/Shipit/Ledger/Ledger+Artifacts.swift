import ArtifactKit
import GRDB
import GitKit

extension Ledger {
    /// An artifact of a build (`size` with its secondary artifacts, for they go together), or with neither digest nor size one that is yet to be packed.
    func addArtifact(
        of run: Run, manifest: Digest, digest: Digest?, size: Int64, file: String, method: Artifact.Method,
        hasExportRules: Bool = false
    ) throws -> Artifact {
        try write(.withTheNext) { db in
            let tarball = digest?.description ?? ""
            let unpacked = try Artifact.fetchOne(
                db, cached: "SELECT * FROM artifact WHERE app = ? AND revision = ? AND digest = ''",
                arguments: [run.app, run.revision.hex])
            if let unpacked, unpacked.manifest == manifest, unpacked.method == method {
                // One that was to be packed later is packed now.
                if let digest { return try db.settle(unpacked, digest, size: size) }
            } else if let unpacked {
                // It was described in another way, and its name is needed.
                try db.execute(
                    cached: "UPDATE artifact SET file = revision || '-' || id || '.tar.zst' WHERE id = ?",
                    arguments: [unpacked.id])
            }
            // A file that retention let go left its name behind.
            try db.execute(
                cached: """
                    UPDATE artifact SET file = revision || '-' || substr(digest, 1, 12) || '.tar.zst'
                    WHERE app = ? AND file = ? AND digest <> ? AND removed_at IS NOT NULL
                    """, arguments: [run.app, file, tarball])
            try db.execute(
                cached: """
                    INSERT INTO artifact
                    (app, revision, manifest, digest, size, file, method, export_rules, run, created_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    ON CONFLICT (app, revision, digest) DO UPDATE
                    SET manifest = excluded.manifest, removed_at = NULL, size = excluded.size,
                    file = CASE WHEN removed_at IS NULL THEN file ELSE excluded.file END,
                    created_at = CASE WHEN removed_at IS NULL THEN created_at ELSE excluded.created_at END
                    """,
                arguments: [
                    run.app, run.revision.hex, manifest.description, tarball, size, file, method, hasExportRules,
                    run.id, Timestamp.now,
                ])
            let found = try Artifact.fetchOne(
                db, cached: "SELECT * FROM artifact WHERE app = ? AND revision = ? AND digest = ?",
                arguments: [run.app, run.revision.hex, tarball])
            guard let found else { throw ShipitError(.failure, "the artifact \(file) could not be recorded") }
            return found
        }
    }

    /// The tarball of an artifact is on the disk.
    func packed(_ artifact: Artifact, _ digest: Digest, size: Int64) throws {
        try write(.withTheNext) { db in
            guard
                let now = try Artifact.fetchOne(
                    db, cached: "SELECT * FROM artifact WHERE id = ? AND digest = ''", arguments: [artifact.id])
            else { return }
            _ = try db.settle(now, digest, size: size)
        }
    }
}

extension Database {
    /// Gives an artifact the tarball that was made of it; the row of an earlier one of the same bytes takes its place.
    fileprivate func settle(_ artifact: Artifact, _ digest: Digest, size: Int64) throws -> Artifact {
        let earlier = try Int64.fetchOne(
            self, cached: "SELECT id FROM artifact WHERE app = ? AND revision = ? AND digest = ?",
            arguments: [artifact.app, artifact.revision.hex, digest.description])
        if let earlier {
            for table in ["job", "deployment"] {
                try execute(
                    cached: "UPDATE \(table) SET artifact = ? WHERE artifact = ?", arguments: [earlier, artifact.id])
            }
            try execute(cached: "DELETE FROM artifact WHERE id = ?", arguments: [artifact.id])
        }
        let id = earlier ?? artifact.id
        try execute(
            cached: """
                UPDATE artifact SET manifest = ?, digest = ?, size = ?, file = ?, method = ?, export_rules = ?,
                removed_at = NULL WHERE id = ?
                """,
            arguments: [
                artifact.manifest?.description ?? "", digest.description, size, artifact.file, artifact.method,
                artifact.hasExportRules, id,
            ])
        guard let settled = try Artifact.fetchOne(self, cached: "SELECT * FROM artifact WHERE id = ?", arguments: [id])
        else { throw ShipitError(.failure, "the artifact \(artifact.file) could not be recorded") }
        return settled
    }
}
