import Glibc

/// Shipit itself, called with an environment made from nothing, whatever ssh and git put into ours.
struct ShipitProgram {
    let path: String
    let home: ShipitHome

    static let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    var worker: Program {
        var program = program("work", "--detached")
        program.isSilent = true
        program.isDetached = true
        return program
    }

    func follower(of id: String) -> Program {
        var program = program("follow", "--push", id)
        program.environment?.append(Array("NO_COLOR=1".utf8))
        return program
    }

    private func program(_ arguments: String...) -> Program {
        var program = Program(path: Array(path.utf8))
        program.arguments = arguments.map { Array($0.utf8) }
        program.environment = environment
        return program
    }

    private var environment: [[UInt8]] {
        var list = [
            Array(Self.path.utf8), Array("HOME=".utf8) + Self.userHome, Array("LANG=C.UTF-8".utf8),
            Array("SHIPIT_HOME=\(home.path)".utf8), Array("SWIFT_BACKTRACE=enable=no".utf8),
        ]
        if let failpoint = Variable.value("SHIPIT_FAILPOINT") {
            list.append(Array("SHIPIT_FAILPOINT=".utf8) + failpoint)
        }
        return list
    }

    private static var userHome: [UInt8] {
        let home = Account(of: geteuid())?.home ?? []
        return home.first == UInt8(ascii: "/") ? home : [UInt8(ascii: "/")]
    }
}
