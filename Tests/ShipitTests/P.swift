import Testing
@Test func placeholderShipit() {}
