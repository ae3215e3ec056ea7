import Glibc
import Spool

/// What the variables that git, ssh and forges set say about a push.
enum HookEnvironment {
    static var claims: [Push.Claim] {
        Push.Claim.knownNames.compactMap { name in
            guard let value = Variable.value(name), !value.isEmpty else { return nil }
            return Push.Claim(name: name, value: Array(value.prefix(Push.maximumClaimSize)))
        }
    }

    static var options: [[UInt8]] {
        guard let text = Variable.value("GIT_PUSH_OPTION_COUNT"),
            let count = Int(String(decoding: text, as: UTF8.self)), count > 0
        else { return [] }
        return (0..<min(count, Push.maximumOptions)).compactMap { index in
            Variable.value("GIT_PUSH_OPTION_\(index)").map { Array($0.prefix(Push.maximumOptionSize)) }
        }
    }
}
