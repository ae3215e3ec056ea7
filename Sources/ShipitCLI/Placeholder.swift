public let placeholderShipitCLI = 0
