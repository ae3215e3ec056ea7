/// One record of a spool file, and the readings that its value may have.
struct SpoolRecord {
    let key: String
    let value: ArraySlice<UInt8>
    let position: Int

    func path() throws(SpoolError) -> [UInt8] {
        guard value.first == UInt8(ascii: "/"), !value.contains(0) else { throw malformed }
        return Array(value)
    }

    func integer() throws(SpoolError) -> Int64 {
        let digits = String(decoding: value, as: UTF8.self)
        guard value.count <= 20, let number = Int64(digits), number >= 0,
            String(number) == digits
        else { throw malformed }
        return number
    }

    func claim() throws(SpoolError) -> Push.Claim {
        guard let equals = value.firstIndex(of: UInt8(ascii: "=")) else { throw malformed }
        let name = value[..<equals]
        let content = value[(equals + 1)...]
        guard (1...64).contains(name.count), name.allSatisfy(\.isVariableNameByte), !content.contains(0),
            content.count <= Push.maximumClaimSize
        else { throw malformed }
        return Push.Claim(name: String(decoding: name, as: UTF8.self), value: Array(content))
    }

    func option() throws(SpoolError) -> [UInt8] {
        guard value.count <= Push.maximumOptionSize, !value.contains(0) else { throw malformed }
        return Array(value)
    }

    func update() throws(SpoolError) -> Push.Update {
        guard let update = Push.Update(line: value) else { throw malformed }
        return update
    }

    func set<Value>(_ variable: inout Value?, _ new: Value) throws(SpoolError) {
        guard variable == nil else { throw malformed }
        variable = new
    }

    func append<Value>(_ new: Value, to list: inout [Value], atMost limit: Int) throws(SpoolError) {
        guard list.count < limit else { throw malformed }
        list.append(new)
    }

    private var malformed: SpoolError { .malformed(what: key, at: position) }
}
