import ArtifactKit
import CLinux
import Glibc

/// Finds out what an installation is to do and everything that stands in its way, and touches nothing.
struct InstallPlanner {
    let bundle: InstallRoot
    let root: InstallRoot
    let appspec: Appspec
    /// How the appspec is called, for messages.
    let file: String
    /// The deployment's, which the appspec may overrule.
    let behavior: Appspec.FileExistsBehavior

    /// Nothing of what is at the root is looked at.
    private let isBlank: Bool
    private var plan = InstallPlan()
    private var problems: [Diagnostic] = []
    /// What earlier deployments brought and this one takes away.
    private var removed: Set<[UInt8]> = []
    private var plannedFolders: Set<[UInt8]> = []
    private var plannedFiles: [[UInt8]: Int] = [:]
    /// Where they really come to be.
    private var places: Set<[UInt8]> = []

    init(
        _ appspec: Appspec, _ file: String, from bundle: InstallRoot, to root: InstallRoot,
        behavior: Appspec.FileExistsBehavior, isBlank: Bool
    ) {
        self.appspec = appspec
        self.isBlank = isBlank
        self.file = file
        self.bundle = bundle
        self.root = root
        self.behavior = appspec.fileExistsBehavior ?? behavior
    }

    /// Throws `Diagnostics` with all that is wrong. `isBlank`: as if nothing were there yet.
    static func plan(
        _ appspec: Appspec, _ file: String, from bundle: InstallRoot, to root: InstallRoot,
        behavior: Appspec.FileExistsBehavior, after cleanup: CleanupList, isBlank: Bool = false
    ) throws -> InstallPlan {
        var planner = InstallPlanner(appspec, file, from: bundle, to: root, behavior: behavior, isBlank: isBlank)
        try planner.clean(cleanup)
        for mapping in appspec.files { try planner.add(mapping) }
        try planner.addPermissions()
        guard planner.problems.isEmpty else { throw Diagnostics(planner.problems) }
        return planner.plan
    }

    private mutating func problem(_ message: String, line: Int? = nil) {
        if problems.count < 100 { problems.append(Diagnostic(.error, file: file, line: line, message)) }
    }

    // MARK: What earlier deployments brought

    /// In reverse, as the agent does: files and links go, and folders that are empty by then.
    private mutating func clean(_ cleanup: CleanupList) throws {
        var left: [[UInt8]: Int] = [:]
        for entry in cleanup.entries.reversed() {
            switch entry {
            case .context(let path): plan.forgottenContexts.append(path)
            case .path(let path):
                guard !removed.contains(path), let status = try root.status(path, following: false) else { continue }
                let isFolder = status.st_mode & S_IFMT == S_IFDIR
                if isFolder {
                    let inside = try left[path] ?? names(in: path)
                    // The one reason for which the agent leaves a folder.
                    guard inside == 0 else { continue }
                }
                removed.insert(path)
                plan.removals.append(InstallPlan.Removal(path: path, isFolder: isFolder))
                let above = path.splitAtLastSlash.above
                left[above] = try (left[above] ?? names(in: above)) - 1
            }
        }
    }

    private func names(in folder: [UInt8]) throws -> Int {
        try InstallPlanner.entries(of: folder, in: root).count
    }

    /// Names in a folder, sorted.
    static func entries(of folder: [UInt8], in root: InstallRoot) throws -> [[UInt8]] {
        let descriptor = try root.openFile(folder, O_RDONLY | O_DIRECTORY, what: "list")
        guard let stream = fdopendir(descriptor) else {
            close(descriptor)
            throw root.failure("list", folder)
        }
        defer { closedir(stream) }
        var names: [[UInt8]] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name != Array(".".utf8), name != Array("..".utf8) { names.append(name) }
        }
        return names.sorted { $0.lexicographicallyPrecedes($1) }
    }

    // MARK: What is there once that has gone

    private enum There { case nothing, file, folder, deadLink }

    /// A link counts as what it leads to.
    private func there(_ path: [UInt8]) throws -> There {
        if path.isEmpty { return .folder }
        if isBlank { return .nothing }
        if removed.contains(path) || path.foldersAbove.contains(where: removed.contains) { return .nothing }
        guard let status = try root.status(path, following: true) else {
            return try root.status(path, following: false) == nil ? .nothing : .deadLink
        }
        return status.st_mode & S_IFMT == S_IFDIR ? .folder : .file
    }

    // MARK: files:

    private mutating func add(_ mapping: Appspec.FileMapping) throws {
        let source = Array(mapping.source.utf8), destination = Array(mapping.destination.utf8)
        let shown = mapping.source.isEmpty ? "/" : visibleLine(mapping.source)
        guard let status = try bundle.status(source, following: true) else {
            if try bundle.status(source, following: false) != nil {
                // A link that leads nowhere, or out of the revision: it is what is installed.
                try addFile(source, to: destination)
                return
            }
            let hint = mapping.source.contains("*") ? "; names with * are not expanded" : ""
            return problem("the source \(shown) is not in the revision\(hint)")
        }
        switch status.st_mode & S_IFMT {
        case S_IFDIR: try addFolder(source, to: destination, inside: [])
        case S_IFREG: try addFile(source, to: destination)
        default: problem("\(bundle.shown(source)) is neither a file, a folder nor a link")
        }
    }

    private mutating func addFile(_ source: [UInt8], to destination: [UInt8]) throws {
        try makeFolders(destination)
        try copy(source, to: destination.joined(source.splitAtLastSlash.name))
    }

    private mutating func addFolder(_ source: [UInt8], to destination: [UInt8], inside: [(UInt64, UInt64)]) throws {
        guard let status = try bundle.status(source, following: true) else { return }
        let identity = (UInt64(status.st_dev), UInt64(status.st_ino))
        guard !inside.contains(where: { $0 == identity }) else {
            return problem("\(bundle.shown(source)) is a link to a folder that it lies in")
        }
        guard inside.count < 200 else { return problem("\(bundle.shown(source)) lies too deep") }
        try makeFolders(destination)
        for name in try Self.entries(of: source, in: bundle) {
            let from = source.joined(name), to = destination.joined(name)
            guard !name.contains(UInt8(ascii: "\n")) else {
                problem(
                    "\(bundle.shown(from)) has a line end in its name, which the list of installed files cannot hold")
                continue
            }
            let kind = try bundle.status(from, following: true)?.st_mode ?? S_IFLNK
            switch kind & S_IFMT {
            case S_IFDIR: try addFolder(from, to: to, inside: inside + [identity])
            case S_IFREG, S_IFLNK: try copy(from, to: to)
            default: problem("\(bundle.shown(from)) is neither a file, a folder nor a link")
            }
        }
    }

    /// A folder and those above it, where they are missing.
    private mutating func makeFolders(_ folder: [UInt8]) throws {
        for path in folder.foldersAbove + (folder.isEmpty ? [] : [folder]) where !plannedFolders.contains(path) {
            if plannedFiles[path] != nil {
                return problem("a file and a folder are to be installed as \(root.shown(path))")
            }
            switch try there(path) {
            case .folder: continue
            case .nothing:
                plannedFolders.insert(path)
                plan.folders.append(path)
                plan.cleanup.entries.append(.path(path))
            case .file: return problem("\(root.shown(path)) is to be a folder, and there is a file")
            case .deadLink:
                return problem("\(root.shown(path)) is to be a folder, and there is a link that leads nowhere")
            }
        }
    }

    private mutating func copy(_ source: [UInt8], to destination: [UInt8]) throws {
        if let other = plannedFiles[destination] {
            let first = bundle.shown(plan.copies[other].source)
            return problem(
                "\(first) and \(bundle.shown(source)) are both to be installed as \(root.shown(destination))")
        }
        if plannedFolders.contains(destination) {
            return problem("a file and a folder are to be installed as \(root.shown(destination))")
        }
        let isLink = try bundle.status(source, following: false).map { $0.st_mode & S_IFMT == S_IFLNK } ?? false
        var place = destination, replaces = false
        switch try there(destination) {
        case .nothing: break
        // The agent looks through links, and finds nothing.
        case .deadLink: replaces = true
        case .file, .folder:
            switch behavior {
            case .disallow:
                return problem(
                    "\(root.shown(destination)) is there already, and no earlier deployment brought it; file_exists_behavior: OVERWRITE replaces it, RETAIN keeps it"
                )
            case .retain: return
            case .overwrite:
                replaces = true
                if try there(destination) == .folder {
                    // The agent copies as cp does: into the folder.
                    place = destination.joined(source.splitAtLastSlash.name)
                    switch try there(place) {
                    case .folder: return problem("\(root.shown(place)) is a folder, and is to be a file")
                    case .nothing: replaces = false
                    case .file, .deadLink: break
                    }
                }
            }
        }
        guard !plannedFolders.contains(place), places.insert(place).inserted else {
            return problem("two things are to be installed as \(root.shown(place))")
        }
        plannedFiles[destination] = plan.copies.count
        plan.copies.append(
            InstallPlan.Copy(
                source: source, destination: place, recorded: destination, isLink: isLink, replaces: replaces))
        plan.cleanup.entries.append(.path(destination))
    }

    // MARK: permissions:

    private mutating func addPermissions() throws {
        var changed: Set<[UInt8]> = []
        for permission in appspec.permissions {
            let object = Array(permission.object.utf8)
            var matched: [(path: [UInt8], isFolder: Bool)] = []
            if let number = plannedFiles[object] {
                guard !plan.copies[number].isLink else {
                    plan.remarks.append("permissions of \(root.shown(object)): that is a link, and left as it is")
                    continue
                }
                guard permission.types.contains(.file) else { continue }
                if permission.pattern != "**" || !permission.except.isEmpty {
                    problem(
                        "permissions of \(root.shown(object)): that is a file, so pattern and except mean nothing",
                        line: permission.line)
                    continue
                }
                matched = [(object, false)]
            } else if try plannedFolders.contains(object) || there(object) == .folder {
                func add(_ path: [UInt8], _ type: Permission.ObjectType) {
                    guard let rest = path.below(object),
                        permission.matches(below: String(decoding: rest, as: UTF8.self), type)
                    else { return }
                    matched.append((path, type == .directory))
                }
                // Through a link something else would be changed, wherever that is.
                for copy in plan.copies where !copy.isLink { add(copy.recorded, .file) }
                for folder in plan.folders { add(folder, .directory) }
            }
            if matched.isEmpty {
                plan.remarks.append("permissions of \(root.shown(object)): nothing that is installed matches")
            }
            // Who or what is missing matters to what it is needed for.
            guard matched.isEmpty || isPossible(permission) else { continue }
            for (path, isFolder) in matched {
                guard changed.insert(path).inserted else {
                    problem("the permissions of \(root.shown(path)) are given more than once", line: permission.line)
                    continue
                }
                if !isFolder, permission.acls.contains(where: \.isDefault) {
                    problem(
                        "\(root.shown(path)) is a file, and default access control entries are for folders",
                        line: permission.line)
                    continue
                }
                plan.changes.append(
                    InstallPlan.Change(
                        path: path, isFolder: isFolder, mode: permission.mode, acls: permission.acls,
                        context: permission.context, owner: permission.owner, group: permission.group))
                if permission.context != nil { plan.cleanup.entries.append(.context(path)) }
            }
        }
    }

    /// Whether the accounts and programs are there that it needs.
    private mutating func isPossible(_ permission: Permission) -> Bool {
        let before = problems.count
        if let owner = permission.owner {
            if User.named(owner) == nil {
                problem("the owner \(visibleLine(owner)) is no user of this machine", line: permission.line)
            } else if geteuid() != 0, User.named(owner)?.uid != geteuid() {
                problem("only root can give files to \(visibleLine(owner))", line: permission.line)
            }
        }
        if let group = permission.group, Group.named(group) == nil {
            problem("the group \(visibleLine(group)) is no group of this machine", line: permission.line)
        }
        if !permission.acls.isEmpty, Command.find("setfacl") == nil {
            problem("acls need the program setfacl, which is not here; apt-get install acl", line: permission.line)
        }
        if permission.context != nil, Command.find("semanage") == nil || Command.find("restorecon") == nil {
            problem("context needs SELinux's semanage and restorecon, which are not here", line: permission.line)
        }
        return problems.count == before
    }
}
