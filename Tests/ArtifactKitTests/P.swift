import Testing
@Test func placeholderArtifactKit() {}
