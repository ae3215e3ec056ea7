import Foundation

extension InstallPlan {
    /// The plan as the agent writes it down, for people and for tools that read its file (AWS reference 1.6, step 3).
    func instructions(from bundle: InstallRoot, to root: InstallRoot) throws -> String {
        var list: [Instruction] = folders.map { Instruction(type: "mkdir", directory: root.absolute($0)) }
        list += copies.map {
            Instruction(type: "copy", source: bundle.absolute($0.source), destination: root.absolute($0.destination))
        }
        for change in changes {
            let file = root.absolute(change.path)
            if let mode = change.mode {
                list.append(Instruction(type: "chmod", mode: String(mode, radix: 8), file: file))
            }
            if !change.acls.isEmpty {
                list.append(Instruction(type: "setfacl", acl: change.acls.map(\.description), file: file))
            }
            if let context = change.context {
                let words = Context(type: context.type, user: context.user, range: context.range?.description)
                list.append(Instruction(type: "semanage", context: words, file: file))
            }
            if change.owner != nil || change.group != nil {
                list.append(Instruction(type: "chown", owner: change.owner, group: change.group, file: file))
            }
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(["instructions": list]), as: UTF8.self)
    }

    private struct Context: Encodable {
        var type: String
        var user: String?
        var range: String?
    }

    private struct Instruction: Encodable {
        var type: String
        var source: String?
        var destination: String?
        var directory: String?
        var mode: String?
        var acl: [String]?
        var context: Context?
        var owner: String?
        var group: String?
        var file: String?
    }
}
