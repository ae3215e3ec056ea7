/// Runs work that must end even though the task around it was cancelled: the record of how it was cancelled.
func uncancelled<Value: Sendable>(_ work: @escaping @Sendable () async throws -> Value) async throws -> Value {
    try await Task { try await work() }.value
}
