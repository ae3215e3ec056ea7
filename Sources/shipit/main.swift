import ShipitCLI

await ShipitCommand.runAndExit()
