@testable import Shipit

/// What the reader says about a policy, line by line.
func pipelineComplaints(_ bytes: [UInt8]) -> [String] {
    do throws(Diagnostics) {
        return try Pipeline.parse(bytes, file: "pipeline.yml").warnings.map(\.description)
    } catch {
        return error.all.map(\.description)
    }
}

func pipelineComplaints(_ yaml: String) -> [String] { pipelineComplaints(Array(yaml.utf8)) }

/// A policy that leaves everything to its defaults.
let smallPipeline = """
    app: blog
    repository: /srv/git/blog.git
    environments:
      - name: staging
        targets: [/srv/blog/staging]

    """
