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

/// Finds and reads the files of a buildspec's reports; what is broken is said, and fails nothing.
struct ReportCollection {
    static let longestFile = 32 << 20
    static let mostFiles = 2_000
    private static let mostNames = 1_000_000
    private static let mostWarnings = 5

    let source: Directory
    let say: (String) -> Void

    func read(_ report: Buildspec.Report) -> BuildReport? {
        var files: [(root: Directory, path: [UInt8])] = []
        do {
            for base in try Collection.bases(report.baseDirectory, in: source) {
                files += try self.files(of: report, in: base.directory).map { (base.directory, $0) }
            }
        } catch {
            say("warning: report \(visibleLine(report.name)): \(error)")
            return nil
        }
        var (totals, count, broken) = (ReportTotals?.none, 0, 0)
        for file in files {
            do {
                let found = try BuildReport.totals(
                    of: try file.root.readFile(file.path, limit: Self.longestFile), report.format)
                if totals == nil { totals = found } else { totals?.add(found) }
                count += 1
            } catch {
                broken += 1
                guard broken <= Self.mostWarnings else { continue }
                say("warning: report \(visibleLine(report.name)): \(visible(file.path)) is left out: \(error)")
            }
        }
        if broken > Self.mostWarnings {
            say("warning: report \(visibleLine(report.name)): \(broken - Self.mostWarnings) more files are left out")
        }
        guard let totals else {
            if files.isEmpty {
                let globs = report.files.map { visibleLine($0.pattern) }.joined(separator: ", ")
                say("warning: report \(visibleLine(report.name)): no file matches \(globs)")
            }
            return nil
        }
        return BuildReport(name: report.name, format: report.format.rawValue, files: count, totals: totals)
    }

    private func files(of report: Buildspec.Report, in root: Directory) throws -> [[UInt8]] {
        var (found, folders, names): ([[UInt8]], [[UInt8]], Int) = ([], [[]], 0)
        while let folder = folders.popLast() {
            let directory = folder.isEmpty ? root : try root.open(folder)
            for (name, kind) in try directory.entries() {
                names += 1
                guard names <= Self.mostNames else { throw ReportFault("there are too many files to look through") }
                let path = folder.isEmpty ? name : folder + [UInt8(ascii: "/")] + name
                if kind == .directory { folders.append(path) }
                if kind == .file, report.files.contains(where: { $0.matches(path) }) { found.append(path) }
            }
        }
        guard found.count <= Self.mostFiles else {
            throw ReportFault("\(found.count) files match, at most \(Self.mostFiles) are read")
        }
        return found.sorted { $0.lexicographicallyPrecedes($1) }
    }
}

extension BuildJob {
    /// Also of a build that failed: its tests are why people look.
    func readReports(_ spec: Buildspec, at site: Site) throws -> [BuildReport] {
        guard !spec.reports.isEmpty else { return [] }
        let collection = ReportCollection(
            source: try Directory(path: site.workspace.source), say: { log.say($0) })
        let reports = spec.reports.compactMap(collection.read).map { report in
            // Names may have variables in them, and each build of a batch has its own.
            let name = report.name.expandingVariables(site.variables)
            return BuildReport(
                name: task.map { "\($0)/\(name)" } ?? name, format: report.format, files: report.files,
                totals: report.totals)
        }
        for report in reports { log.say(visibleLine(report.description)) }
        return reports
    }
}
