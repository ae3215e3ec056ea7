/// What a path and a link inside an artifact may look like, judged by their bytes alone.
public enum PathRules {
    public static let longestComponent = 255
    public static let longestPath = 4096
    public static let deepest = 256

    private static let slash = UInt8(ascii: "/")
    private static let dot = UInt8(ascii: ".")

    /// Throws unless the path is relative, plain (no empty, `.` or `..` component, no NUL) and of sane size.
    public static func check(_ path: [UInt8]) throws {
        if let reason = fault(in: path) {
            throw ArtifactError(.unsafePath, what: "accept the path", path: shown(path), reason: reason)
        }
    }

    /// Throws unless the link is relative and, by its words alone, never leads above the root on its way.
    public static func checkLink(at path: [UInt8], target: [UInt8]) throws {
        try check(path)
        if let reason = fault(inTarget: target, at: path) {
            throw ArtifactError(
                .unsafeLink, what: "accept the link", path: "\(shown(path)) -> \(shown(target))", reason: reason)
        }
    }

    private static func fault(in path: [UInt8]) -> String? {
        if path.isEmpty { return "it is empty" }
        if path.count > longestPath { return "it is longer than \(longestPath) bytes" }
        if path[0] == slash { return "it is absolute" }
        var depth = 0
        var start = 0
        while start <= path.count {
            let end = path[start...].firstIndex(of: slash) ?? path.count
            if let reason = fault(inComponent: path[start..<end]) { return reason }
            depth += 1
            start = end + 1
        }
        return depth > deepest ? "it is deeper than \(deepest) folders" : nil
    }

    private static func fault(inComponent name: ArraySlice<UInt8>) -> String? {
        if name.isEmpty { return "it has an empty component" }
        if name.count > longestComponent { return "it has a component longer than \(longestComponent) bytes" }
        if name.count <= 2, name.allSatisfy({ $0 == dot }) { return "it has a component made of dots" }
        return name.contains(0) ? "it has a NUL byte" : nil
    }

    private static func fault(inTarget target: [UInt8], at path: [UInt8]) -> String? {
        if target.isEmpty { return "it leads nowhere" }
        if target.count >= longestPath { return "its target is longer than \(longestPath - 1) bytes" }
        if target[0] == slash { return "it is absolute" }
        if target.contains(0) { return "it has a NUL byte" }
        var depth = path.count(where: { $0 == slash })
        for name in target.split(separator: slash) where !name.elementsEqual([dot]) {
            if name.count > longestComponent { return "it has a component longer than \(longestComponent) bytes" }
            depth += name.elementsEqual([dot, dot]) ? -1 : 1
            if depth < 0 { return "it leads out of its root" }
        }
        return nil
    }

    /// Enough of a path to recognise it: a hostile one may be very long.
    private static func shown(_ path: [UInt8]) -> String {
        path.count <= 512 ? visible(path) : visible(Array(path.prefix(512))) + "..."
    }
}
