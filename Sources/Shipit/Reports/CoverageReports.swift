/// Reads the totals of coverage reports.
enum CoverageReports {
    static func clover(_ bytes: [UInt8]) throws -> ReportTotals {
        var (whole, files) = (ReportTotals(), ReportTotals())
        try ReportXML.read(bytes, root: ["coverage"]) { event, path in
            guard case .start("metrics", let attributes) = event else { return }
            if path == ["coverage", "project"] { whole.add(metrics(attributes)) }
            if path.last == "file" { files.add(metrics(attributes)) }
        }
        let totals = whole.lines == nil ? files : whole
        guard totals.lines != nil else { throw ReportFault("it has no metrics of a project") }
        return totals
    }

    private static func metrics(_ attributes: [String: String]) -> ReportTotals {
        var totals = ReportTotals()
        totals.lines = attributes.count("statements")
        totals.linesCovered = attributes.count("coveredstatements")
        totals.branches = attributes.count("conditionals")
        totals.branchesCovered = attributes.count("coveredconditionals")
        return totals
    }

    /// Old ones have no sums; then the lines of classes count, not those of methods again.
    static func cobertura(_ bytes: [UInt8]) throws -> ReportTotals {
        var (head, lines) = (ReportTotals(), ReportTotals())
        try ReportXML.read(bytes, root: ["coverage"]) { event, path in
            switch event {
            case .start("coverage", let attributes):
                head.lines = attributes["lines-valid"].flatMap(count)
                head.linesCovered = attributes["lines-covered"].flatMap(count)
                head.branches = attributes["branches-valid"].flatMap(count)
                head.branchesCovered = attributes["branches-covered"].flatMap(count)
            case .start("line", let attributes) where path.suffix(2) == ["class", "lines"]:
                lines.add(line(attributes))
            default: break
            }
        }
        if head.lines != nil, head.linesCovered != nil { return head }
        guard lines.lines != nil else { throw ReportFault("it has no lines") }
        return lines
    }

    private static func line(_ attributes: [String: String]) -> ReportTotals {
        var totals = ReportTotals()
        totals.lines = 1
        totals.linesCovered = attributes.count("hits") > 0 ? 1 : 0
        // 50% (1/2)
        if let text = attributes["condition-coverage"], let start = text.firstIndex(of: "("), text.hasSuffix(")") {
            let parts = text[start...].dropFirst().dropLast().split(separator: "/").compactMap { count(String($0)) }
            if parts.count == 2 { (totals.branchesCovered, totals.branches) = (parts[0], parts[1]) }
        }
        return totals
    }

    private static func count(_ text: String) -> Int? { Int(text).flatMap { $0 >= 0 ? $0 : nil } }

    static func jacoco(_ bytes: [UInt8]) throws -> ReportTotals {
        var totals = ReportTotals()
        try ReportXML.read(bytes, root: ["report"]) { event, path in
            guard case .start("counter", let attributes) = event, path == ["report"] else { return }
            let (covered, missed) = (attributes.count("covered"), attributes.count("missed"))
            let (all, overflows) = covered.addingReportingOverflow(missed)
            guard !overflows else { return }
            if attributes["type"] == "LINE" { (totals.lines, totals.linesCovered) = (all, covered) }
            if attributes["type"] == "BRANCH" { (totals.branches, totals.branchesCovered) = (all, covered) }
        }
        guard totals.lines != nil else { throw ReportFault("it has no counter of lines") }
        return totals
    }

    /// `.resultset.json`, and `coverage.json` of simplecov-json.
    static func simpleCov(_ bytes: [UInt8]) throws -> ReportTotals {
        let root = try ReportJSON.read(bytes)
        var sources = root["files"].list.map { $0["coverage"] }
        for (_, result) in root.object.sorted(by: { $0.key < $1.key }) {
            sources += result["coverage"].object.sorted { $0.key < $1.key }.map(\.value)
        }
        if case .object(let files) = root["coverage"] { sources += files.sorted { $0.key < $1.key }.map(\.value) }
        guard !sources.isEmpty else { throw ReportFault("it has no coverage of any file") }
        var totals = ReportTotals()
        (totals.lines, totals.linesCovered) = (0, 0)
        for source in sources {
            let lines = source["lines"].list.isEmpty ? source.list : source["lines"].list
            var one = ReportTotals()
            let hits = lines.compactMap { if case .number(let hits) = $0 { hits } else { nil } }
            (one.lines, one.linesCovered) = (hits.count, hits.count { $0 > 0 })
            totals.add(one)
            totals.add(branches(source["branches"]))
        }
        return totals
    }

    private static func branches(_ value: JSONValue) -> ReportTotals {
        var totals = ReportTotals()
        let hits = value.object.values.flatMap(\.object.values).compactMap {
            if case .number(let hits) = $0 { hits } else { nil as Double? }
        }
        if !hits.isEmpty { (totals.branches, totals.branchesCovered) = (hits.count, hits.count { $0 > 0 }) }
        return totals
    }
}
