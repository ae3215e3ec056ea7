import ArtifactKit
import FoundationEssentials

/// Why a file is no report of its format.
struct ReportFault: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

enum ReportXML {
    /// Hands over each element with the names of those it is in, outermost first.
    static func read(
        _ bytes: [UInt8], root: Set<String>, _ consume: (XMLReader.Event, [String]) throws -> Void
    ) throws {
        var reader = XMLReader(bytes)
        var path: [String] = []
        while let event = try reader.next() {
            switch event {
            case .start(let name, _):
                if path.isEmpty, !root.contains(name) {
                    throw ReportFault(
                        "it is a file of \(visibleLine(name)), expected \(root.sorted().joined(separator: " or "))")
                }
                try consume(event, path)
                path.append(name)
            case .end:
                path.removeLast()
                try consume(event, path)
            }
        }
    }
}

enum ReportJSON {
    static func read(_ bytes: [UInt8]) throws -> JSONValue {
        let content = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes.dropFirst(3) : bytes[...]
        do {
            return try JSONDecoder().decode(JSONValue.self, from: Data(content))
        } catch {
            throw ReportFault("it is not JSON")
        }
    }
}

extension [String: String] {
    /// Seconds and the like; what is none counts as nothing.
    func number(_ name: String) -> Double {
        guard let text = self[name] else { return 0 }
        return Double(text.replacing(",", with: "")) ?? 0
    }

    func count(_ name: String) -> Int { self[name].flatMap { Int($0) }.map { Swift.max(0, $0) } ?? 0 }
}

extension BuildReport {
    static func totals(of bytes: [UInt8], _ format: Buildspec.Report.Format) throws -> ReportTotals {
        switch format {
        case .jUnitXML: try TestReports.jUnit(bytes)
        case .nUnitXML: try TestReports.nUnit(bytes)
        case .nUnit3XML: try TestReports.nUnit3(bytes)
        case .testNGXML: try TestReports.testNG(bytes)
        case .visualStudioTRX: try TestReports.visualStudio(bytes)
        case .cucumberJSON: try TestReports.cucumber(bytes)
        case .cloverXML: try CoverageReports.clover(bytes)
        case .coberturaXML: try CoverageReports.cobertura(bytes)
        case .jacocoXML: try CoverageReports.jacoco(bytes)
        case .simpleCov: try CoverageReports.simpleCov(bytes)
        }
    }
}
