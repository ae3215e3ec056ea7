import Testing

@testable import Shipit

@Suite struct AWSImportTests {
    private static let pipeline = """
        {"pipeline": {"name": "Blog_Pipeline", "roleArn": "arn:aws:iam::1:role/p", "executionMode": "SUPERSEDED",
         "artifactStore": {"type": "S3", "location": "bucket"}, "version": 3, "pipelineType": "V2",
         "stages": [
          {"name": "Source", "actions": [{"name": "Source", "runOrder": 1, "region": "eu-west-1",
            "actionTypeId": {"category": "Source", "owner": "AWS", "provider": "CodeCommit", "version": "1"},
            "configuration": {"RepositoryName": "blog", "BranchName": "main", "PollForSourceChanges": "false"}}]},
          {"name": "Build", "actions": [{"name": "Build", "runOrder": 1,
            "actionTypeId": {"category": "Build", "provider": "CodeBuild"},
            "configuration": {"ProjectName": "blog-build",
             "EnvironmentVariables": "[{\\"name\\":\\"STAGE\\",\\"value\\":\\"all\\",\\"type\\":\\"PLAINTEXT\\"}]"}}]},
          {"name": "Staging", "actions": [{"name": "Deploy", "runOrder": 1,
            "actionTypeId": {"category": "Deploy", "provider": "CodeDeploy"},
            "configuration": {"ApplicationName": "blog", "DeploymentGroupName": "staging"}}]},
          {"name": "Production", "actions": [
            {"name": "Deploy", "runOrder": 2, "actionTypeId": {"category": "Deploy", "provider": "CodeDeploy"},
             "configuration": {"ApplicationName": "blog", "DeploymentGroupName": "production"}},
            {"name": "Approve", "runOrder": 1, "actionTypeId": {"category": "Approval", "provider": "Manual"},
             "configuration": {"CustomData": "look at staging"}},
            {"name": "Notify", "runOrder": 3, "actionTypeId": {"category": "Invoke", "provider": "Lambda"},
             "configuration": {"FunctionName": "tell"}}]}],
         "triggers": [{"providerType": "CodeStarSourceConnection", "gitConfiguration": {"sourceActionName": "Source",
           "push": [{"branches": {"includes": ["main", "release/*"], "excludes": ["release/old*"]},
                     "filePaths": {"includes": ["src/**"]}}]}}]},
         "metadata": {"pipelineArn": "arn"}}
        """
    private static let project = """
        {"projects": [{"name": "blog-build", "arn": "arn", "source": {"type": "CODEPIPELINE", "buildspec": "ci/buildspec.yml"},
         "environment": {"type": "LINUX_CONTAINER", "image": "aws/codebuild/standard:7.0", "computeType": "SMALL",
          "privilegedMode": true, "environmentVariables": [
            {"name": "TOKEN", "value": "/blog/token", "type": "PARAMETER_STORE"}]},
         "timeoutInMinutes": 45, "serviceRole": "arn", "vpcConfig": {"vpcId": "vpc-1"}}], "projectsNotFound": []}
        """
    private static let group = """
        {"deploymentGroupInfo": {"applicationName": "blog", "deploymentGroupName": "production",
         "autoRollbackConfiguration": {"enabled": true, "events": ["DEPLOYMENT_FAILURE"]},
         "loadBalancerInfo": {"targetGroupInfoList": [{"name": "web"}]}, "serviceRoleArn": "arn"}}
        """

    private func imported(_ files: String..., repository: String? = nil) throws -> AWSImport {
        try AWSImport(files.map { ("file.json", Array($0.utf8)) }, repository: repository)
    }

    @Test func `a pipeline, its project and its groups become a policy`() throws {
        let result = try imported(Self.group, Self.pipeline, Self.project, repository: "/srv/git/blog.git")
        #expect(
            result.policy == """
                app: blog-pipeline
                repository: /srv/git/blog.git
                triggers:
                  - branches: {include: [main, "release/*"], exclude: ["release/old*"]}
                    paths: ["src/**"]
                mode: superseded
                build:
                  buildspec: ci/buildspec.yml
                  timeout: 45m
                environments:
                  - name: staging
                    targets: [/srv/blog-pipeline/staging]
                  - name: production
                    targets: [/srv/blog-pipeline/production]
                    promotion: manual
                    on_failure: rollback

                """)
        let lines = result.remarks.map { "\($0.kind.rawValue) \($0.place): \($0.text)" }
        for line in [
            "kept stage Source, action Source: branches: [main]",
            "by-hand stage Build, action Build: shipit env set build STAGE=all",
            "by-hand stage Build, action Build: shipit env set build --secret TOKEN, with the value of /blog/token on its input",
            "absent stage Build, action Build: privilegedMode: true",
            "absent stage Build, action Build: vpcConfig: vpcId: vpc-1",
            "absent stage Production, action Approve: CustomData: look at staging",
            "absent stage Production, action Notify: Invoke by Lambda: FunctionName: tell",
            "absent stage Production, action Deploy: loadBalancerInfo: targetGroupInfoList: name: web",
            "kept triggers: paths: [\"src/**\"]",
            "by-hand stage Staging, action Deploy: the group staging is not among the files; on_failure: rollback is the default here",
        ] {
            #expect(lines.contains(line), "\(line) in \(lines)")
        }
    }

    @Test func `without approval the next environment goes by itself, and what is missing is guessed and said`() throws
    {
        let pipeline = Self.pipeline.replacing("\"category\": \"Approval\"", with: "\"category\": \"Custom\"")
        let result = try imported(pipeline)
        #expect(
            result.policy.contains("promotion: automatic") && result.policy.contains("repository: /srv/git/blog.git"))
        #expect(
            result.remarks.contains {
                $0.kind == .byHand && $0.text.contains("the project blog-build is not among the files")
            })
    }

    @Test func `what is no pipeline is refused in words`() {
        for (text, words) in [
            ("{", "is not JSON"), ("{\"a\": 1}", "is not what AWS prints"), (Self.project, "there is no pipeline"),
        ] {
            #expect { try imported(text) } throws: { "\($0)".contains(words) }
        }
        #expect { try imported(Self.pipeline, Self.pipeline) } throws: { "\($0)".contains("more than one pipeline") }
    }

    @Test func `names, lists and depth that nobody expects make no policy that cannot be read`() throws {
        for name in ["", "..", "a b/c", String(repeating: "x", count: 300), "été", "- x", "build"] {
            let pipeline = Self.pipeline.replacing("Blog_Pipeline", with: name).replacing(
                "\"main\"", with: "\"\(name) \\u0001:{\""
            )
            .replacing("\"Staging\"", with: "\"\(name)\"").replacing("\"Production\"", with: "\"\(name)\"")
            // Either a policy, which was read back, or words.
            do { #expect(try !imported(pipeline).policy.isEmpty) } catch is Diagnostics {}
        }
    }
}
