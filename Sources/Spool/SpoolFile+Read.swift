extension SpoolFile {
    /// The ids in a spool folder, the earliest received first; other files are none of our business.
    public static func list(in directory: String) throws(SpoolError) -> [String] {
        try SpoolFolder(opening: directory).names().compactMap(id(ofFile:)).sorted()
    }

    /// A push and the owner of its file, which is the only proof of who pushed.
    public static func read(_ id: String, in directory: String) throws(SpoolError) -> (push: Push, uid: UInt32) {
        let (bytes, uid) = try SpoolFolder(opening: directory).read(name(of: id))
        return (try Push(decoding: bytes), uid)
    }

    /// Takes a push out of the spool for good; one that is gone already is no error.
    public static func remove(_ id: String, in directory: String) throws(SpoolError) {
        let folder = try SpoolFolder(opening: directory)
        // Not synced: a file that comes back after a power cut was taken in, and taking it in again changes nothing.
        _ = try folder.remove(name(of: id))
    }

    /// Removes what killed hooks left behind; a file still being written is younger than any sensible age.
    public static func removeLeftovers(in directory: String, olderThan seconds: Int) throws(SpoolError) {
        let folder = try SpoolFolder(opening: directory)
        for name in try folder.names() where name.hasPrefix(temporaryPrefix) {
            guard let age = folder.age(of: name), age > seconds else { continue }
            folder.discard(name)
        }
    }
}
