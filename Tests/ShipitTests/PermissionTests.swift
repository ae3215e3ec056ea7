import Testing

@testable import Shipit

@Suite struct PermissionTests {
    private static let head = "version: 0.0\nos: linux\n"

    private func permissions(_ yaml: String) throws -> [Permission] {
        try Appspec.parse(Array((Self.head + yaml).utf8), file: "appspec.yml").0.permissions
    }

    private func complaints(_ yaml: String) -> [String] {
        do throws(Diagnostics) {
            return try Appspec.parse(Array((Self.head + yaml).utf8), file: "appspec.yml").1.map(\.description)
        } catch {
            return error.all.map(\.description)
        }
    }

    @Test func `every key is read`() throws {
        let read = try permissions(
            """
            permissions:
              - object: /srv/app/
                pattern: "*.sh"
                except: [a.sh, "b*"]
                type: [file]
                owner: root
                group: adm
                mode: "4755"
                acls: ["u:ann:rw", "d:group:adm:5"]
                context: {name: system_u, type: httpd_t, range: "s0-s3:c0.c5,c7"}
              - object: /srv/other
            """)
        let first = try #require(read.first)
        #expect(first.object == "srv/app" && first.pattern == "*.sh" && first.except == ["a.sh", "b*"])
        #expect(first.types == [.file] && first.owner == "root" && first.group == "adm" && first.mode == 0o4755)
        #expect(first.acls.map(\.description) == ["user:ann:rw", "default:group:adm:5"])
        #expect(first.context?.user == "system_u" && first.context?.type == "httpd_t")
        #expect(first.context?.range?.description == "s0-s3:c0.c5,c7")
        #expect(read.last?.pattern == "**" && read.last?.types == [.file, .directory] && read.last?.mode == nil)
    }

    @Test(arguments: [
        ("0644", 0o644), ("644", 0o644), ("\"0755\"", 0o755), ("0755", 0o755), ("7", 0o7), ("44", 0o44),
        ("'4755'", 0o4755),
    ])
    func `a mode means the digits that stand there, quoted or not`(text: String, mode: Int) throws {
        #expect(try permissions("permissions: [{object: /a, mode: \(text)}]").first?.mode == UInt16(mode))
    }

    @Test(arguments: [
        ("permissions: [{mode: 644}]", "appspec.yml:3:15: an entry of permissions has no object"),
        ("permissions: [{object: ''}]", "appspec.yml:3:24: object has no value"),
        (
            "permissions: [{object: /a, mode: 00644}]",
            "appspec.yml:3:34: mode 00644 has 5 digits, expected one to four such as 644"
        ),
        (
            "permissions: [{object: /a, mode: 689}]",
            "appspec.yml:3:34: mode 689 has the character 8, expected digits from 0 to 7 such as 644"
        ),
        (
            "permissions: [{object: /a, type: [link]}]",
            #"appspec.yml:3:35: type wants file or directory, found "link""#
        ),
        ("permissions: [{object: /a, type: file}]", #"appspec.yml:3:34: type wants a list, found "file""#),
        ("permissions: [{object: /a, except: x}]", #"appspec.yml:3:36: except wants a list, found "x""#),
        ("permissions: [{object: /a, context: {user: u}}]", "appspec.yml:3:37: context has no type"),
        (
            "permissions: [{object: /a, owner: 'root:root'}]",
            #"appspec.yml:3:35: owner wants a name alone, found "root:root""#
        ),
    ])
    func `what is wrong with permissions is named with its place`(yaml: String, expected: String) {
        #expect(complaints(yaml).contains(expected), "\(complaints(yaml))")
    }

    @Test(arguments: [
        ("ann:rw", "user:ann:rw"), ("m:r", "mask::r"), ("o:r", nil), ("u:ann:7", "user:ann:7"),
        ("group:adm:r-x", "group:adm:r-x"), ("d:u:ann:r", "default:user:ann:r"),
        ("default:o::r", "default:other::r"), ("d:u::r", "default:user::r"), ("rw", nil), ("a:b:c:d:e", nil),
        ("x:ann:rw", nil), ("d:d:ann:rw", nil), ("m:ann:rw", nil), ("o:ann:rw", nil), ("u:ann:rwq", nil),
        ("u:ann:8", nil),
        ("u:ann:", nil), ("u::rw", nil), ("x:u:ann:rw", nil), ("u:a b:rw", nil),
    ])
    func `access control entries are read as the agent reads them`(text: String, expected: String?) {
        #expect((try? AccessEntry(text))?.description == expected)  // nil is what is expected of a fault
    }

    @Test(arguments: [
        ("s0", true), ("s0-s3", true), ("s0:c1", true), ("s0-s0:c0.c5,c7", true), ("s0:c1023", true), ("s3-s0", false),
        ("0", false), ("s", false), ("s-1", false), ("sx", false), ("s0:", false), ("s0:c1024", false),
        ("s0:c5.c1", false),
        ("s0:c1,c1", false), ("s0:c0.c5,c3", false), ("s0:c-1", false), ("s0:x", false), ("s0:c1:c2", false),
        ("", false),
        ("s0-s1-s2", false),
    ])
    func `security ranges`(text: String, isValid: Bool) { #expect(((try? SecurityRange(text)) != nil) == isValid) }

    @Test(arguments: [
        ("**", [], "a.sh", true), ("**", [], "d/a.sh", true), ("*", [], "a.sh", true), ("*", [], "d/a.sh", false),
        ("*.sh", [], "a.sh", true), ("*.sh", [], "a.txt", false), ("a*b*c", [], "axxbxc", true),
        ("a*b*c", [], "axxbx", false), ("[ab]", [], "a", false), ("a?c", [], "abc", false),
        ("**", ["a*"], "a.sh", false),
        ("**", ["a*"], "d/a.sh", true), ("**", ["d/a.sh"], "d/a.sh", true),
    ])
    func `a star is any run of letters without a slash`(pattern: String, except: [String], path: String, isMatch: Bool)
    {
        let permission = Permission(object: "srv", pattern: pattern, except: except)
        #expect(permission.matches(below: path, .file) == isMatch)
    }

    @Test func `a pattern of many stars is judged at once`() {
        let pattern = String(repeating: "*a", count: 200)
        #expect(
            !Permission.glob(pattern, matches: String(repeating: "a", count: 199) + String(repeating: "b", count: 5000))
        )
    }

    @Test func `an access control list is whole`() throws {
        let entries = try ["u:ann:rw", "d:g:adm:r"].map { try AccessEntry($0) }
        #expect(
            AccessList(entries, base: 0o754).description
                == "user::rwx,group::r-x,other::r--,user:ann:rw,mask::r-x,default:user::rwx,default:group::r-x,"
                + "default:other::r--,default:group:adm:r,default:mask::r-x")
    }
}
