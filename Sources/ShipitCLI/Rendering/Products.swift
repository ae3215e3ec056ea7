import Shipit

/// What the build of a run left besides its artifact, to be shown with the run.
struct Products {
    private let exported: [(name: String, value: String)]

    init(_ record: RunRecord, _ ledger: Ledger) throws {
        let build = record.jobs.first { $0.kind == .build }
        exported = try build.map { try ledger.exported(of: $0.id) } ?? []
    }

    var json: [(String, JSON)] {
        [("exported", .object(exported.map { ($0.name, .string($0.value)) }))]
    }

    var lines: [String] {
        exported.map { "exported \($0.name)=\(visibleLine($0.value))" }
    }
}
