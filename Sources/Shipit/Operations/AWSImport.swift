import FoundationEssentials

/// A policy made of what AWS's own commands print of a pipeline, its build projects and its deployment groups.
///
/// From `aws codepipeline get-pipeline`, `aws codebuild batch-get-projects` and `aws deploy get-deployment-group`.
public struct AWSImport: Sendable {
    /// What became of one thing.
    public struct Remark: Hashable, Sendable {
        public enum Kind: String, Hashable, Sendable {
            /// It is in the policy.
            case kept
            /// It is to be done by hand, or in another way.
            case byHand = "by-hand"
            /// There is nothing like it here.
            case absent
        }

        public let kind: Kind
        /// Where it stands at AWS: `stage Deploy, action Production`.
        public let place: String
        public let text: String
    }

    /// The text of pipeline.yml, which is valid as it stands.
    public private(set) var policy = ""
    public private(set) var remarks: [Remark] = []

    private var projects: [String: JSONValue] = [:]
    private var groups: [String: JSONValue] = [:]

    /// What the policy will say, in its order.
    private struct Draft {
        var app = ""
        var repository = ""
        /// Of the source, which ship when no trigger says otherwise.
        var branches: [String] = []
        var triggers: [[String]] = []
        var mode: String?
        var buildspec: String?
        var timeout: String?
        var environments: [(name: String, promotion: String?, onFailure: String?)] = []
    }

    /// `files`: their names, for messages, and content. `repository`: the bare repository on this machine, if it is known.
    public init(_ files: [(name: String, bytes: [UInt8])], repository: String?) throws {
        var pipelines: [JSONValue] = []
        for (name, bytes) in files {
            let value: JSONValue
            do {
                value = try JSONDecoder().decode(JSONValue.self, from: Data(bytes))
            } catch {
                throw ShipitError(.configuration, "\(visibleLine(name)) is not JSON")
            }
            if !value["pipeline"].isEmpty {
                pipelines.append(value["pipeline"])
            } else if !value["projects"].isEmpty {
                for project in value["projects"].list { projects[project["name"].text ?? ""] = project }
            } else if !value["deploymentGroupInfo"].isEmpty {
                let group = value["deploymentGroupInfo"]
                groups[Self.key(group["applicationName"], group["deploymentGroupName"])] = group
            } else {
                throw ShipitError(
                    .configuration, "\(visibleLine(name)) is not what AWS prints of a pipeline, a project or a group",
                    hint:
                        "aws codepipeline get-pipeline, aws codebuild batch-get-projects, aws deploy get-deployment-group"
                )
            }
        }
        guard pipelines.count == 1, let pipeline = pipelines.first else {
            throw ShipitError(
                .usage, pipelines.isEmpty ? "there is no pipeline among the files" : "there is more than one pipeline",
                hint: "aws codepipeline get-pipeline --name NAME >pipeline.json")
        }
        var draft = Draft()
        read(pipeline, repository, &draft)
        policy = Self.text(draft)
        _ = try Pipeline.parse(Array(policy.utf8), file: "pipeline.yml")
    }

    private static func key(_ application: JSONValue, _ group: JSONValue) -> String {
        "\(application.text ?? "")\n\(group.text ?? "")"
    }

    private mutating func add(_ kind: Remark.Kind, _ place: String, _ text: String) {
        remarks.append(Remark(kind: kind, place: visibleLine(place), text: visibleLine(text)))
    }

    /// What nobody asked about: all keys that say something and have no counterpart.
    private mutating func leave(_ value: JSONValue, _ place: String, except known: Set<String>) {
        for (key, value) in value.object.sorted(by: { $0.key < $1.key }) where !known.contains(key) && !value.isEmpty {
            add(.absent, place, "\(key): \(String(value.summary.prefix(200)))")
        }
    }

    // MARK: The pipeline

    private mutating func read(_ pipeline: JSONValue, _ repository: String?, _ draft: inout Draft) {
        let name = pipeline["name"].text ?? "app"
        draft.app = Self.name(name, else: "app")
        draft.repository = repository ?? ""
        let place = "pipeline \(name)"
        add(.kept, place, draft.app == name ? "app: \(name)" : "app: \(draft.app), as names here are short and plain")
        switch pipeline["executionMode"].text ?? "SUPERSEDED" {
        case "SUPERSEDED": draft.mode = "superseded"
        case "QUEUED": draft.mode = "queued"
        case let mode:
            draft.mode = "queued"
            add(.byHand, place, "executionMode \(mode): runs go one after the other here, so mode: queued was written")
        }
        var isApproved = false, stage = 0
        for value in pipeline["stages"].list {
            let title = value["name"].text ?? "\(stage)"
            stage += 1
            let actions = value["actions"].list.sorted {
                (Int($0["runOrder"].text ?? "") ?? 1) < (Int($1["runOrder"].text ?? "") ?? 1)
            }
            for action in actions { read(action, title, actions.count, &isApproved, &draft) }
            leave(value, "stage \(title)", except: ["name", "actions"])
        }
        readTriggers(pipeline["triggers"], &draft)
        leave(
            pipeline, place,
            except: [
                "name", "stages", "executionMode", "triggers", "version", "roleArn", "artifactStore", "artifactStores",
                "pipelineType",
            ])
        if draft.environments.isEmpty {
            draft.environments = [("staging", nil, nil)]
            add(.byHand, place, "it deploys nowhere; an environment staging was written")
        }
        if draft.repository.isEmpty {
            draft.repository = "/srv/git/\(draft.app).git"
            add(.byHand, place, "repository: \(draft.repository) is a guess; name the bare repository on this machine")
        }
    }

    private mutating func read(
        _ action: JSONValue, _ stage: String, _ count: Int, _ isApproved: inout Bool, _ draft: inout Draft
    ) {
        let place = "stage \(stage), action \(action["name"].text ?? "")"
        let configuration = action["configuration"]
        let category = action["actionTypeId"]["category"].text ?? "",
            provider = action["actionTypeId"]["provider"].text ?? ""
        switch (category, provider) {
        case ("Source", _): readSource(configuration, provider, place, &draft)
        case ("Build", "CodeBuild"), ("Test", "CodeBuild"): readBuild(configuration, place, &draft)
        case ("Approval", "Manual"):
            isApproved = true
            add(.kept, place, "the next environment has promotion: manual; shipit promote goes on")
            if let words = configuration["CustomData"].text { add(.absent, place, "CustomData: \(words)") }
            if let topic = configuration["NotificationArn"].text { add(.absent, place, "NotificationArn: \(topic)") }
        case ("Deploy", "CodeDeploy"):
            readDeploy(configuration, stage, count, isApproved, place, &draft)
            isApproved = false
        default: add(.absent, place, "\(category) by \(provider): \(configuration.summary)")
        }
        leave(
            action, place,
            except: [
                "name", "actionTypeId", "runOrder", "configuration", "inputArtifacts", "outputArtifacts", "region",
                "roleArn", "namespace",
            ])
    }

    private mutating func readSource(
        _ configuration: JSONValue, _ provider: String, _ place: String, _ draft: inout Draft
    ) {
        guard ["CodeCommit", "CodeStarSourceConnection", "GitHub"].contains(provider) else {
            return add(.absent, place, "the source is \(provider): \(configuration.summary)")
        }
        let whole =
            configuration["RepositoryName"].text ?? configuration["FullRepositoryId"].text
            ?? configuration["Repo"].text ?? draft.app
        let short = whole.split(separator: "/").last.map(String.init) ?? whole
        if draft.repository.isEmpty { draft.repository = "/srv/git/\(Self.name(short, else: draft.app)).git" }
        add(
            .byHand, place,
            "repository: \(draft.repository) must be a bare clone of \(whole): git clone --bare; or name its URL, and it is fetched"
        )
        if let branch = configuration["BranchName"].text ?? configuration["Branch"].text {
            if !draft.branches.contains(branch) { draft.branches.append(branch) }
            add(.kept, place, "branches: [\(branch)]")
        }
        if configuration["OutputArtifactFormat"].text == "CODEBUILD_CLONE_REF" {
            add(
                .absent, place,
                "OutputArtifactFormat CODEBUILD_CLONE_REF: builds get the files of a commit, and no history")
        }
    }

    /// With a filter for pushes there, the branch of the source starts nothing by itself.
    private mutating func readTriggers(_ triggers: JSONValue, _ draft: inout Draft) {
        for trigger in triggers.list {
            for filter in trigger["gitConfiguration"]["push"].list {
                var lines: [String] = []
                for (key, name) in [("tags", "tags"), ("branches", "branches"), ("filePaths", "paths")] {
                    var includes = filter[key]["includes"].list.compactMap(\.text)
                    let excludes = filter[key]["excludes"].list.compactMap(\.text)
                    if key == "branches", includes.isEmpty, excludes.isEmpty, !filter["filePaths"].isEmpty {
                        includes = draft.branches
                    }
                    guard !includes.isEmpty || !excludes.isEmpty else { continue }
                    let include = includes.isEmpty ? "" : "include: \(Self.list(includes)), "
                    let words = excludes.isEmpty ? Self.list(includes) : "{\(include)exclude: \(Self.list(excludes))}"
                    lines.append("\(name): \(words)")
                    add(.kept, "triggers", "\(name): \(words)")
                }
                if !filter["tags"].isEmpty { lines.removeAll { !$0.hasPrefix("tags:") } }
                if lines.contains(where: { !$0.hasPrefix("paths:") }) { draft.triggers.append(lines) }
                leave(filter, "triggers", except: ["branches", "tags", "filePaths"])
            }
            leave(trigger["gitConfiguration"], "triggers", except: ["push", "sourceActionName"])
        }
    }

    // MARK: Building

    private mutating func readBuild(_ configuration: JSONValue, _ place: String, _ draft: inout Draft) {
        let name = configuration["ProjectName"].text ?? ""
        if draft.buildspec != nil || draft.timeout != nil {
            return add(
                .absent, place, "a second build, by \(name): there is one build here, so put its commands into that")
        }
        guard let project = projects[name] else {
            draft.buildspec = "buildspec.yml"
            return add(
                .byHand, place, "the project \(name) is not among the files; buildspec.yml was taken for its buildspec")
        }
        let spec = project["source"]["buildspec"].text ?? ""
        if spec.isEmpty {
            draft.buildspec = "buildspec.yml"
        } else if spec.contains("\n") || spec.hasPrefix("version") {
            draft.buildspec = "buildspec.yml"
            add(.byHand, place, "the buildspec stands in the project; save it as buildspec.yml in the repository")
        } else if spec.hasPrefix("arn:") || spec.hasPrefix("/") || spec.split(separator: "/").contains("..") {
            draft.buildspec = "buildspec.yml"
            add(.byHand, place, "the buildspec is \(spec); save it as buildspec.yml in the repository")
        } else {
            draft.buildspec = spec
            add(.kept, place, "buildspec: \(spec)")
        }
        if let minutes = project["timeoutInMinutes"].text.flatMap(Int.init), minutes > 0 {
            draft.timeout = "\(minutes)m"
            add(.kept, place, "timeout: \(minutes)m")
        }
        let image = project["environment"]["image"].text ?? ""
        if !image.isEmpty {
            add(
                .absent, place,
                "image \(image): builds use what is installed here; build: see: shows more folders to them")
        }
        let variables = project["environment"]["environmentVariables"].list + Self.listed(configuration)
        for variable in variables { readVariable(variable, place) }
        leave(
            project["environment"], place,
            except: ["environmentVariables", "image", "type", "computeType", "imagePullCredentialsType"])
        leave(
            project, place,
            except: [
                "name", "arn", "source", "artifacts", "environment", "timeoutInMinutes", "serviceRole", "created",
                "lastModified", "encryptionKey", "badge", "description", "tags", "projectVisibility", "sourceVersion",
                "queuedTimeoutInMinutes", "logsConfig",
            ])
        leave(
            configuration, place,
            except: ["ProjectName", "EnvironmentVariables", "PrimarySource"])
    }

    /// In a pipeline they stand as text.
    private static func listed(_ configuration: JSONValue) -> [JSONValue] {
        guard let text = configuration["EnvironmentVariables"].text else { return [] }
        // What is no JSON there is said by AWS itself, at the first run.
        return (try? JSONDecoder().decode(JSONValue.self, from: Data(text.utf8)).list) ?? []
    }

    private mutating func readVariable(_ variable: JSONValue, _ place: String) {
        guard let name = variable["name"].text else { return }
        let value = variable["value"].text ?? ""
        if (variable["type"].text ?? "PLAINTEXT") == "PLAINTEXT" {
            add(.byHand, place, "shipit env set build \(name)=\(value)")
        } else {
            add(.byHand, place, "shipit env set build --secret \(name), with the value of \(value) on its input")
        }
    }

    // MARK: Deploying

    private mutating func readDeploy(
        _ configuration: JSONValue, _ stage: String, _ count: Int, _ isApproved: Bool, _ place: String,
        _ draft: inout Draft
    ) {
        let title = configuration["DeploymentGroupName"].text ?? stage
        var name = Self.name(count > 1 ? title : stage, else: "staging")
        if ["deploy", "build", "beta"].contains(name) { name = Self.name(title, else: name) }
        if name == "build" || draft.environments.contains(where: { $0.name == name }) {
            name = "\(name.prefix(50))-\(draft.environments.count + 1)"
        }
        let isFirst = draft.environments.isEmpty
        if isFirst, isApproved {
            add(.byHand, place, "an approval before the first environment: a push goes to it at once here")
        }
        let group = groups[Self.key(configuration["ApplicationName"], configuration["DeploymentGroupName"])]
        var onFailure: String?
        if let group {
            let rollback = group["autoRollbackConfiguration"]
            let isBack = rollback["enabled"].flag && rollback["events"].list.contains(.string("DEPLOYMENT_FAILURE"))
            onFailure = isBack ? "rollback" : "stop"
            add(.kept, place, "on_failure: \(isBack ? "rollback" : "stop")")
            leave(
                group, place,
                except: [
                    "applicationName", "deploymentGroupName", "deploymentGroupId", "autoRollbackConfiguration",
                    "serviceRoleArn", "targetRevision", "lastSuccessfulDeployment", "lastAttemptedDeployment",
                    "computePlatform", "ec2TagFilters", "ec2TagSet", "onPremisesInstanceTagFilters", "onPremisesTagSet",
                ])
        } else {
            add(.byHand, place, "the group \(title) is not among the files; on_failure: rollback is the default here")
        }
        draft.environments.append((name, isFirst ? nil : isApproved ? "manual" : "automatic", onFailure))
        add(
            .byHand, place,
            "environment \(name): its instances become the folder /srv/\(draft.app)/\(name) on this machine")
    }

    // MARK: Words

    /// A name as apps and environments have them.
    private static func name(_ text: String, else other: String) -> String {
        var name = ""
        for character in text.lowercased() {
            let isPlain = character.isASCII && (character.isLetter || character.isNumber)
            if isPlain { name.append(character) } else if !name.isEmpty, name.last != "-" { name.append("-") }
        }
        name = String(name.prefix(50))
        while name.last == "-" { name.removeLast() }
        return Name.isValid(name) ? name : other
    }

    private static func quoted(_ text: String) -> String {
        let isPlain = text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_./".contains($0)) }
        let isWord = text.first.map { $0.isLetter || $0 == "/" } ?? false
        return isPlain && isWord ? text : "\"\(text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\""
    }

    private static func list(_ words: [String]) -> String { "[\(words.map(quoted).joined(separator: ", "))]" }

    private static func text(_ draft: Draft) -> String {
        var lines = ["app: \(draft.app)", "repository: \(quoted(draft.repository))"]
        let triggers =
            draft.triggers.isEmpty && !draft.branches.isEmpty
            ? [["branches: \(list(draft.branches))"]] : draft.triggers
        if !triggers.isEmpty { lines.append("triggers:") }
        for trigger in triggers { lines.append("  - " + trigger.joined(separator: "\n    ")) }
        if let mode = draft.mode { lines.append("mode: \(mode)") }
        if draft.buildspec != nil || draft.timeout != nil {
            lines.append("build:")
            if let buildspec = draft.buildspec { lines.append("  buildspec: \(quoted(buildspec))") }
            if let timeout = draft.timeout { lines.append("  timeout: \(timeout)") }
        }
        lines.append("environments:")
        for (name, promotion, onFailure) in draft.environments {
            lines += ["  - name: \(name)", "    targets: [/srv/\(draft.app)/\(name)]"]
            if let promotion { lines.append("    promotion: \(promotion)") }
            if let onFailure { lines.append("    on_failure: \(onFailure)") }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
