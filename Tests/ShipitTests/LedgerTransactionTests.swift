import Foundation
import GRDB
import Testing

@testable import Shipit

/// The transactions are made by hand, so their ends are tested by hand.
@Suite struct LedgerTransactionTests {
    private struct Refusal: Error {}

    private let path: String
    private let ledger: Ledger

    init() throws {
        path = NSTemporaryDirectory() + "ledger-\(UUID()).sqlite"
        ledger = try Ledger(at: path)
    }

    private func remove() {
        for suffix in ["", "-wal", "-shm"] { unlink(path + suffix) }
    }

    private func know(_ name: String, _ durability: Ledger.Durability = .now, failing: Bool = false) throws {
        try ledger.write(durability) { db in
            try db.execute(
                cached: "INSERT INTO app (name, repository, created_at) VALUES (?, '/r', 0)", arguments: [name])
            if failing { throw Refusal() }
        }
    }

    private func apps() throws -> [String] { try ledger.knownApps().keys.sorted() }

    @Test(arguments: [Ledger.Durability.now, .withTheNext])
    func `what throws leaves nothing, and the next transaction works`(durability: Ledger.Durability) throws {
        defer { remove() }
        #expect(throws: Refusal.self) { try know("a", durability, failing: true) }
        #expect(try apps() == [])
        try know("b", durability)
        #expect(try apps() == ["b"])
        #expect(throws: Refusal.self) { try ledger.read { _ in throw Refusal() } }
        #expect(try apps() == ["b"])
    }

    @Test func `after a transaction that does not wait for the disk the next one does`() throws {
        defer { remove() }
        try know("a", .withTheNext)
        #expect(try ledger.synchronousMode() == 2)
        #expect(throws: Refusal.self) { try know("b", .withTheNext, failing: true) }
        #expect(try ledger.synchronousMode() == 2)
    }

    @Test func `a ledger that somebody else writes is busy, and works again afterwards`() throws {
        defer { remove() }
        let other = try DatabaseQueue(path: path)
        try other.writeWithoutTransaction { db in
            try db.execute(sql: "BEGIN IMMEDIATE")
            #expect { try know("a") } throws: { ($0 as? ShipitError)?.code == .busy }
            #expect(try apps() == [])
            try db.execute(sql: "COMMIT")
        }
        try know("b")
        #expect(try apps() == ["b"])
    }

    @Test func `a full disk is said, and what comes when there is room again works`() throws {
        defer { remove() }
        let pages = try ledger.read { try Int.fetchOne($0, sql: "PRAGMA page_count") ?? 0 }
        try ledger.database.writeWithoutTransaction { try $0.execute(sql: "PRAGMA max_page_count = \(pages)") }
        #expect {
            for number in 0..<10_000 { try know(String(repeating: "x", count: 1000) + "\(number)") }
        } throws: {
            "\($0)".contains("the disk is full")
        }
        let known = try apps().count
        try ledger.database.writeWithoutTransaction { try $0.execute(sql: "PRAGMA max_page_count = 100000") }
        try know("a")
        #expect(try apps().count == known + 1)
    }

    @Test func `a worker goes on when a newer shipit adds a column`() throws {
        let book = try Book(extra: "")
        try book.ship(1)
        for number in 2...3 { _ = try book.push(number) }
        let open = try book.ledger.agenda().open
        #expect(!open.isEmpty)
        try DatabaseQueue(path: book.ledger.path).write { db in
            for table in ["job", "run", "environment", "artifact", "deployment"] {
                try db.execute(sql: "ALTER TABLE \(table) ADD COLUMN later TEXT")
            }
        }
        #expect(try book.ledger.agenda().open == open)
        #expect(try book.ledger.runs(app: "blog", limit: 10).count == 3)
    }
}
