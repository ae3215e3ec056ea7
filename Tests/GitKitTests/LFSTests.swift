import Foundation
import GitKit
import Testing

@Suite struct LFSTests {
    static let oid = String(repeating: "4d", count: 32)

    @Test func `a pointer tells the content's id and size`() throws {
        let text = "version https://git-lfs.github.com/spec/v1\noid sha256:\(Self.oid)\nsize 12345\n"
        let pointer = try #require(Repository.lfsPointer(in: Array(text.utf8)))
        #expect(pointer.oid == Self.oid)
        #expect(pointer.size == 12345)
    }

    @Test(arguments: [
        "", "version https://git-lfs.github.com/spec/v1\n", "version https://example.org\noid sha256:\(oid)\nsize 1\n",
        "version https://git-lfs.github.com/spec/v1\noid sha256:../../etc\nsize 1\n",
        "version https://git-lfs.github.com/spec/v1\noid sha256:\(oid)\nsize -1\n",
        "version https://git-lfs.github.com/spec/v1\noid sha256:\(oid)\nsize 1\n" + String(repeating: "x", count: 1024),
    ])
    func `other content is no pointer`(text: String) {
        #expect(Repository.lfsPointer(in: Array(text.utf8)) == nil)
    }

    @Test func `content beside the repository is found by its id alone`() throws {
        let scratch = try ScratchRepository()
        let repository = try scratch.open()
        #expect(repository.lfsObjectPath(oid: Self.oid) == nil)
        let folder = repository.path + "/lfs/objects/4d/4d"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try Data("real".utf8).write(to: URL(fileURLWithPath: folder + "/" + Self.oid))
        #expect(repository.lfsObjectPath(oid: Self.oid) == folder + "/" + Self.oid)
        #expect(repository.lfsObjectPath(oid: "../../../HEAD") == nil)
    }
}
