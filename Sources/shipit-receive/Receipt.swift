/// What became of a push.
enum Receipt {
    case nothingToQueue
    case refused
    case queued(id: String, home: ShipitHome)
}
