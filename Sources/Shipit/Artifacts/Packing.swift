import ArtifactKit
import GitKit

/// Packs the tarball of a manifest that is known already; sections that another tarball has are taken from there.
struct Packing {
    let manifest: ManifestFile
    let content: any Content

    /// Makes the file, which must not exist. What is read is compared with the manifest; `other` must be known to be whole.
    func pack(into path: String, reusing other: TarballContent?) throws -> TarballSummary {
        let writer = try TarballWriter(at: path, listingIn: nil)
        let reader = try content.reader()
        for section in manifest.sections {
            if let other, other.frame(of: section) != nil {
                try writer.add(section, of: other)
            } else {
                try add(try manifest.entries(of: section), of: section, reader, writer)
            }
        }
        let summary = try writer.finish()
        guard summary.manifest == manifest.digest else {
            throw ShipitError(.failure, "what was packed is not what \(manifest.path) lists")
        }
        return summary
    }

    /// Folders and links on the way to the next file that the reader hands over.
    private func add(
        _ entries: [ManifestEntry], of section: Section, _ reader: any ContentReader, _ writer: TarballWriter
    ) throws {
        var rest = entries[...]
        func addOthers() throws {
            while let entry = rest.first, entry.kind != .file {
                switch entry.kind {
                case .directory: try writer.addDirectory(entry.path)
                default: try writer.addLink(entry.path, target: entry.link)
                }
                rest.removeFirst()
            }
        }
        try reader.read(section, entries, wanted: { _ in true }) { entry, content in
            try addOthers()
            try writer.addFile(entry.path, executable: entry.mode == 0o755, size: entry.size, content)
            rest.removeFirst()
        }
        try addOthers()
    }
}
