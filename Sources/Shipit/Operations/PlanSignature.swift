import ArtifactKit
import FoundationEssentials
import Glibc

/// An ssh signature of a plan's statement (ssh-keygen(1), `-Y`): whoever has the file of allowed signers can verify it.
public struct PlanSignature: Sendable {
    /// Keeps a signature that was made for something else from counting here.
    public static let namespace = "shipit"

    public let text: String

    /// Reads the file that `ssh-keygen -Y sign` wrote.
    public init(file: String) throws {
        guard let bytes = try FileSystem.read(file) else {
            throw ShipitError(
                .usage, "there is no file \(visibleLine(file))", hint: "ssh-keygen -Y sign -n shipit -f KEY plan")
        }
        guard bytes.count <= 64 << 10, let text = String(validating: bytes, as: UTF8.self)
        else { throw ShipitError(.usage, "\(visibleLine(file)) is no ssh signature") }
        self.text = text
        guard key != nil else { throw ShipitError(.usage, "\(visibleLine(file)) is no ssh signature") }
    }

    init(text: String) { self.text = text }

    /// The public key that made it. Base64 between two lines: "SSHSIG", a version, the key with its length before it
    /// (PROTOCOL.sshsig).
    var key: [UInt8]? {
        let lines = text.split(whereSeparator: \.isNewline)
        guard lines.first == "-----BEGIN SSH SIGNATURE-----", lines.last == "-----END SSH SIGNATURE-----",
            let data = Data(base64Encoded: lines.dropFirst().dropLast().joined())
        else { return nil }
        let bytes = [UInt8](data)
        guard bytes.count > 14, bytes.starts(with: Array("SSHSIG".utf8)) else { return nil }
        let length = bytes[10..<14].reduce(0) { $0 << 8 | Int($1) }
        guard length > 0, length <= bytes.count - 14 else { return nil }
        return Array(bytes[14..<(14 + length)])
    }

    /// Throws unless that person signed exactly the statement.
    public func verify(_ statement: String, by person: String, signers: String) async throws {
        guard let program = Command.find("ssh-keygen") else {
            throw ShipitError(
                .failure, "there is no ssh-keygen to verify signatures with", hint: "apt install openssh-client")
        }
        let signature = try MemoryFile(Array(text.utf8)), input = try MemoryFile(Array(statement.utf8))
        let command = Command(
            program,
            ["-Y", "verify", "-f", signers, "-I", person, "-n", Self.namespace, "-s", signature.path])
        let collected = Collected(limit: 4096)
        let outcome = try await Program.run(
            command, limit: .seconds(20), streams: Program.Streams(input: try input.copy(), output: nil)
        ) { collected.append($0) }
        guard outcome.isSuccess else {
            let said = collected.text.split(separator: "\n").last.map { visibleLine(String($0)) } ?? "\(outcome.exit)"
            throw ShipitError(
                .unavailable, "the signature is not \(visibleLine(person))'s of this plan: \(said)",
                hint:
                    "\(signers) lists who may sign; the plan may have changed since: shipit plan --run RUN --statement")
        }
    }
}
