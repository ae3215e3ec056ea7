/// Reads the totals of test reports, test by test, whatever their headers claim.
enum TestReports {
    static func jUnit(_ bytes: [UInt8]) throws -> ReportTotals {
        var totals = ReportTotals.ofTests
        var current: (outcome: ReportTotals.Outcome, seconds: Double)?
        try ReportXML.read(bytes, root: ["testsuites", "testsuite"]) { event, path in
            switch event {
            case .start("testcase", let attributes): current = (.passed, attributes.number("time"))
            case .start("failure", _) where path.last == "testcase":
                if current?.outcome != .errored { current?.outcome = .failed }
            case .start("error", _) where path.last == "testcase": current?.outcome = .errored
            case .start("skipped", _) where path.last == "testcase": current?.outcome = .skipped
            case .end("testcase"):
                if let current { totals.count(current.outcome, taking: current.seconds) }
                current = nil
            default: break
            }
        }
        return totals
    }

    static func nUnit(_ bytes: [UInt8]) throws -> ReportTotals {
        var totals = ReportTotals.ofTests
        try ReportXML.read(bytes, root: ["test-results"]) { event, _ in
            guard case .start("test-case", let attributes) = event else { return }
            let result = (attributes["result"] ?? "").lowercased()
            let outcome: ReportTotals.Outcome =
                switch result {
                case "success": .passed
                case "failure": .failed
                case "error", "notrunnable", "invalid": .errored
                case "":
                    attributes["success"]?.lowercased() == "true" ? .passed : executed(attributes) ? .failed : .skipped
                default: .skipped
                }
            totals.count(outcome, taking: attributes.number("time"))
        }
        return totals
    }

    private static func executed(_ attributes: [String: String]) -> Bool {
        attributes["executed"]?.lowercased() != "false"
    }

    static func nUnit3(_ bytes: [UInt8]) throws -> ReportTotals {
        var totals = ReportTotals.ofTests
        try ReportXML.read(bytes, root: ["test-run"]) { event, _ in
            guard case .start("test-case", let attributes) = event else { return }
            let outcome: ReportTotals.Outcome =
                switch (attributes["result"] ?? "").lowercased() {
                case "passed", "warning": .passed
                case "failed": attributes["label"]?.lowercased() == "error" ? .errored : .failed
                default: .skipped
                }
            totals.count(outcome, taking: attributes.number("duration"))
        }
        return totals
    }

    static func testNG(_ bytes: [UInt8]) throws -> ReportTotals {
        var totals = ReportTotals.ofTests
        try ReportXML.read(bytes, root: ["testng-results"]) { event, _ in
            guard case .start("test-method", let attributes) = event, attributes["is-config"] != "true" else { return }
            let outcome: ReportTotals.Outcome =
                switch (attributes["status"] ?? "").uppercased() {
                case "PASS": .passed
                case "FAIL": .failed
                default: .skipped
                }
            totals.count(outcome, taking: attributes.number("duration-ms") / 1000)
        }
        return totals
    }

    static func visualStudio(_ bytes: [UInt8]) throws -> ReportTotals {
        var totals = ReportTotals.ofTests
        try ReportXML.read(bytes, root: ["TestRun"]) { event, _ in
            guard case .start("UnitTestResult", let attributes) = event else { return }
            let outcome: ReportTotals.Outcome =
                switch (attributes["outcome"] ?? "").lowercased() {
                case "passed", "passedbutrunaborted", "warning", "completed": .passed
                case "failed", "timeout": .failed
                case "error", "aborted", "disconnected": .errored
                default: .skipped
                }
            totals.count(outcome, taking: seconds(attributes["duration"] ?? ""))
        }
        return totals
    }

    /// `00:01:02.5`.
    private static func seconds(_ text: String) -> Double {
        text.split(separator: ":").reduce(0) { $0 * 60 + (Double($1) ?? 0) }
    }

    /// Scenarios count; one is as good as the worst of its steps.
    static func cucumber(_ bytes: [UInt8]) throws -> ReportTotals {
        guard case .array(let features) = try ReportJSON.read(bytes) else {
            throw ReportFault("it is no list of features")
        }
        var totals = ReportTotals.ofTests
        for scenario in features.flatMap({ $0["elements"].list }) where scenario["type"].text != "background" {
            let steps = scenario["before"].list + scenario["steps"].list + scenario["after"].list
            var (outcome, nanoseconds) = (ReportTotals.Outcome.passed, 0.0)
            for step in steps {
                if case .number(let time) = step["result"]["duration"] { nanoseconds += time }
                switch step["result"]["status"].text?.lowercased() {
                case "failed": outcome = .failed
                case "ambiguous": if outcome != .failed { outcome = .errored }
                case "skipped", "pending", "undefined": if outcome == .passed { outcome = .skipped }
                default: break
                }
            }
            totals.count(outcome, taking: nanoseconds / 1e9)
        }
        return totals
    }
}
