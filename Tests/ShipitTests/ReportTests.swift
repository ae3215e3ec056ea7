import Foundation
import Testing

@testable import Shipit

/// Reports of tests and of coverage, in all formats that CodeBuild knows.
@Suite struct ReportTests {
    private func totals(_ text: String, _ format: Buildspec.Report.Format) throws -> String {
        try BuildReport.totals(of: Array(text.utf8), format).description
    }

    @Test(arguments: [
        (
            Buildspec.Report.Format.jUnitXML,
            """
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites tests="99"><testsuite name="a&amp;b" failures="7">
              <properties><property name="x" value="&#x41;&#66;"/></properties>
              <testcase name="one" time="0.5"/>
              <testcase name="two" time="1,199.5"><failure message="&lt;no&gt;"><![CDATA[<testcase/>]]></failure></testcase>
              <testcase name="three"><error/><failure/></testcase>
              <testcase name="four"><skipped/><system-out>text</system-out></testcase>
              <!-- <testcase name="five"/> -->
            </testsuite></testsuites>
            """, "4 tests, 1 passed, 1 failed, 1 errored, 1 skipped, 20 min"
        ),
        (
            .nUnitXML,
            """
            <test-results total="3"><test-suite><results>
              <test-case result="Success" time="0.1"/><test-case result="Failure"/><test-case executed="False" result="Ignored"/>
              <test-case success="True" executed="True"/><test-case result="Error"/>
            </results></test-suite></test-results>
            """, "5 tests, 2 passed, 1 failed, 1 errored, 1 skipped, 100 ms"
        ),
        (
            .nUnit3XML,
            """
            <test-run><test-suite><test-case result="Passed" duration="1.5"/><test-case result="Failed"/>
            <test-case result="Failed" label="Error"/><test-case result="Skipped" label="Ignored"/>
            <test-case result="Inconclusive"/></test-suite></test-run>
            """, "5 tests, 1 passed, 1 failed, 1 errored, 2 skipped, 1.5 s"
        ),
        (
            .testNGXML,
            """
            <testng-results><suite><test><class name="x">
            <test-method status="PASS" duration-ms="250"/><test-method status="FAIL"/><test-method status="SKIP"/>
            <test-method status="PASS" is-config="true"/></class></test></suite></testng-results>
            """, "3 tests, 1 passed, 1 failed, 1 skipped, 250 ms"
        ),
        (
            .visualStudioTRX,
            "\u{FEFF}"
                + """
                <TestRun xmlns="http://x"><Results><UnitTestResult outcome="Passed" duration="00:00:01.5000000"/>
                <UnitTestResult outcome="Failed"/><UnitTestResult outcome="NotExecuted"/><UnitTestResult outcome="Error"/>
                </Results></TestRun>
                """, "4 tests, 1 passed, 1 failed, 1 errored, 1 skipped, 1.5 s"
        ),
        (
            .cucumberJSON,
            """
            [{"elements": [
              {"type": "background", "steps": [{"result": {"status": "failed"}}]},
              {"type": "scenario", "steps": [{"result": {"status": "passed", "duration": 2000000000}}]},
              {"type": "scenario", "steps": [{"result": {"status": "passed"}}, {"result": {"status": "undefined"}}]},
              {"steps": [{"result": {"status": "passed"}}], "after": [{"result": {"status": "failed"}}]}]},
             {"name": "empty"}]
            """, "3 tests, 1 passed, 1 failed, 1 skipped, 2.0 s"
        ),
        (
            .cloverXML,
            """
            <coverage><project><metrics statements="10" coveredstatements="8" conditionals="4" coveredconditionals="1"/>
            <file><metrics statements="99" coveredstatements="9"/></file></project></coverage>
            """, "lines 80.0 % (8 of 10), branches 25.0 % (1 of 4)"
        ),
        (
            .coberturaXML,
            """
            <?xml version="1.0"?><!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">
            <coverage line-rate="0.5" lines-valid="3" lines-covered="1" branches-valid="0" branches-covered="0"/>
            """, "lines 33.3 % (1 of 3)"
        ),
        (
            .coberturaXML,
            """
            <coverage><packages><package><classes><class><methods><method><lines><line hits="1"/></lines></method></methods>
            <lines><line hits="1"/><line hits="0" condition-coverage="50% (1/2)"/></lines></class></classes></package></packages></coverage>
            """, "lines 50.0 % (1 of 2), branches 50.0 % (1 of 2)"
        ),
        (
            .jacocoXML,
            """
            <?xml version="1.0"?><!DOCTYPE report PUBLIC "-//JACOCO//DTD Report 1.1//EN" "report.dtd">
            <report name="x"><package><counter type="LINE" missed="50" covered="1"/></package>
            <counter type="LINE" missed="1" covered="999"/><counter type="BRANCH" missed="1" covered="1"/></report>
            """, "lines 99.9 % (999 of 1000), branches 50.0 % (1 of 2)"
        ),
        (
            .simpleCov,
            #"{"RSpec": {"coverage": {"a.rb": {"lines": [1, null, 0, 3]}, "b.rb": [0]}, "timestamp": 1}}"#,
            "lines 50.0 % (2 of 4)"
        ),
        (.simpleCov, #"{"files": [{"coverage": {"lines": [1, 1, null]}}], "metrics": {}}"#, "lines 100.0 % (2 of 2)"),
    ])
    func `a report is read test by test`(format: Buildspec.Report.Format, text: String, expected: String) throws {
        #expect(try totals(text, format) == expected)
    }

    @Test(arguments: [
        ("", "line 1: there is no element"), ("<a>", "line 1: a is not ended"),
        ("<a></b>", "line 1: b is ended, and a is open"), ("<a/><b/>", "line 1: there is a second document"),
        ("<a x=1/>", "line 1: expected quotes around the value of x"), ("<a x='1' x='2'/>", "line 1: x stands twice"),
        ("\n<a x='&b;'/>", "line 2: &b; is not known"),
        ("<a x='&'/>", "line 1: & is not followed by the name of a character"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", "line 1: a document type with rules of its own is not read"),
        ("<a><!-- </a>", "line 1: --> is missing"), ("text", "line 1: there is no element"),
        ("<a/>text", "line 1: there is text after the document"), ("<1/>", "line 1: expected a name"),
        ("<a", "line 1: the file ends within an element"),
        ("<a x='1'y='2'/>", "line 1: expected a space before an attribute"),
        ("<a x='<'/>", "line 1: a value has a < in it"),
        (String(repeating: "<a>", count: 300), "line 1: elements are nested more than 200 deep"),
    ])
    func `XML that is broken or hostile ends in words`(xml: String, expected: String) {
        var reader = XMLReader(Array(xml.utf8))
        var found = ""
        do { while try reader.next() != nil {} } catch { found = "\(error)" }
        #expect(found == expected)
    }

    @Test func `random bytes end in totals or in words, whatever the format`() {
        var state: UInt64 = 3
        func random(_ limit: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % limit
        }
        let pieces = [
            "<testsuite>", "</testsuite>", "<testcase time='9e999'>", "</testcase>", "<failure/>", "<", ">", "&#",
            "&#x110000;", "'",
            "<coverage lines-valid='99999999999999999999'>", "</coverage>", "<![CDATA[", "]]>", "<!--", "-->", "\u{0}",
            "é",
            "<report>", "<counter type='LINE' missed='9223372036854775807' covered='9223372036854775807'/>",
            "</report>",
            "[", "{\"coverage\":", "]", "}", "1e300", "null", "<test-run>", "<?", "?>", "/", " a='b'",
        ]
        for _ in 0..<1500 {
            let text = (0..<random(12)).map { _ in pieces[random(pieces.count)] }.joined()
            for format in Buildspec.Report.Format.allCases {
                do {
                    _ = try BuildReport.totals(of: Array(text.utf8), format).description
                } catch {
                    #expect(!"\(error)".isEmpty)
                }
            }
        }
    }

    @Test func `totals are told in the log and in JSON, of a build that failed too, and broken files fail nothing`()
        async throws
    {
        let world = try await World.building(
            """
            version: 0.2
            env: {variables: {GROUP: unit}}
            phases:
              build:
                commands:
                  - mkdir -p out && cp *.xml out/ && ln -s /etc/passwd out/link.xml
                  - 'false'
            reports:
              $GROUP: {files: ['*.xml'], base-directory: 'ou*'}
              none: {files: ['*.trx'], file-format: VisualStudioTrx}
              cover: {files: [cover.xml], file-format: JACOCOXML}
            """,
            files: [
                "a.xml": "<testsuite><testcase time='1'/><testcase><failure/></testcase></testsuite>",
                "b.xml": "<testsuite><testcase/></testsuite>", "broken.xml": "<testsuite>",
                "cover.xml": "<report><counter type='LINE' missed='1' covered='3'/></report>",
            ])
        await world.push()
        #expect(try await world.status(of: 1) == "failed")
        let log = world.buildLog()
        #expect(log.contains("* report unit (JUNITXML, 2 files): 3 tests, 2 passed, 1 failed, 1.0 s"), "\(log)")
        #expect(log.contains("* report cover (JACOCOXML, 1 file): lines 75.0 % (3 of 4)"))
        #expect(log.contains("* warning: report $GROUP: broken.xml is left out: line 1: testsuite is not ended"))
        #expect(
            log.contains(
                "* warning: report $GROUP: cover.xml is left out: it is a file of report, expected testsuite or testsuites"
            ))
        #expect(log.contains("* warning: report none: no file matches *.trx"))
        #expect(!log.contains { $0.hasPrefix("*") && $0.contains("link.xml") })
        let shown = try #require(try await world.json("show", "1") as? [String: Any])
        let reports = try #require(shown["reports"] as? [[String: Any]])
        #expect(reports.map { $0["name"] as? String } == ["cover", "unit"])
        #expect(reports[1]["tests"] as? Int == 3 && reports[1]["failed"] as? Int == 1)
        #expect(reports[0]["lines_covered"] as? Int == 3 && reports[0]["tests"] is NSNull)
        #expect(await world.shipit("show", "1").stdout.contains("report unit (JUNITXML, 2 files): 3 tests"))
        try await world.settled()
    }
}
