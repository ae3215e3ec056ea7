import ArtifactKit

/// Finds and reads the files of a buildspec's reports; what is broken is said, and fails nothing.
struct ReportCollection {
    static let longestFile = 32 << 20
    /// A tree of values takes many times the room of its text.
    static let longestJSON = 8 << 20
    static let mostFiles = 2_000
    private static let mostWarnings = 5

    let source: Directory
    let budget: ReportBudget
    let say: (String) -> Void

    /// Throws only when the build is cancelled.
    func read(_ report: Buildspec.Report) throws -> BuildReport? {
        var files: [(root: Directory, path: [UInt8])] = []
        do {
            for base in try Collection.bases(report.baseDirectory, in: source, visit: budget.visit) {
                files += try self.files(of: report, in: base.directory).map { (base.directory, $0) }
            }
        } catch {
            try warn(report, error)
            return nil
        }
        var (totals, count, broken) = (ReportTotals?.none, 0, 0)
        for file in files {
            do {
                try budget.visit()
                let longest = report.format.isJSON ? Self.longestJSON : Self.longestFile
                let bytes = try content(of: file.path, in: file.root, longest: longest)
                let found = try BuildReport.totals(of: bytes, report.format)
                if totals == nil { totals = found } else { totals?.add(found) }
                count += 1
            } catch let fault as ReportBudget.Spent {
                try warn(report, "\(fault); \(files.count - count - broken) files are not read")
                break
            } catch {
                broken += 1
                guard broken <= Self.mostWarnings else { continue }
                try warn(report, error, "\(visible(file.path)) is left out: ")
            }
        }
        if broken > Self.mostWarnings {
            try warn(report, "\(broken - Self.mostWarnings) more files are left out")
        }
        guard let totals else {
            if files.isEmpty {
                let globs = report.files.map { visibleLine($0.pattern) }.joined(separator: ", ")
                try warn(report, "no file matches \(globs)")
            }
            return nil
        }
        return BuildReport(name: report.name, format: report.format.rawValue, files: count, totals: totals)
    }

    private func content(of path: [UInt8], in root: Directory, longest: Int) throws -> [UInt8] {
        let tooLong = ReportFault("it is longer than \(longest) bytes")
        if let size = try root.metadata(path)?.size, size > longest { throw tooLong }
        var bytes: [UInt8] = []
        try root.readFile(path) { part in
            try budget.take(part.count)
            guard bytes.count + part.count <= longest else { throw tooLong }
            bytes.append(contentsOf: part)
        }
        return bytes
    }

    private func files(of report: Buildspec.Report, in root: Directory) throws -> [[UInt8]] {
        var (found, folders): ([[UInt8]], [[UInt8]]) = ([], [[]])
        while let folder = folders.popLast() {
            let directory = folder.isEmpty ? root : try root.open(folder)
            for (name, kind) in try directory.entries() {
                try budget.visit()
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

    /// In words that say nothing of where on this machine the source is.
    private func warn(_ report: Buildspec.Report, _ fault: Any, _ what: String = "") throws {
        if let error = fault as? CancellationError { throw error }
        let words = "\(fault)".replacing("\(source.path)/", with: "").replacing(source.path, with: "the source")
        say("warning: report \(visibleLine(report.name)): \(what)\(words)")
    }
}

extension BuildJob {
    /// Also of a build that failed: its tests are why people look.
    func readReports(_ spec: Buildspec, at site: Site, _ cancellation: Cancellation) throws -> [BuildReport] {
        guard !spec.reports.isEmpty else { return [] }
        let source: Directory
        do { source = try Directory(path: site.workspace.source) } catch {
            log.say("warning: reports: the source is not there after the build")
            return []
        }
        let collection = ReportCollection(
            source: source, budget: ReportBudget(check: cancellation.check), say: { log.say($0) })
        let reports = try spec.reports.compactMap(collection.read).map { report in
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
