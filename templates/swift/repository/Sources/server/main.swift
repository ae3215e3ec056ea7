// A small web application without any package.

import Glibc

func variable(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
}

func page(at path: String) -> (status: String, body: String) {
    switch path {
    case "/": ("200 OK", "Hello from \(variable("SHIPIT_ENVIRONMENT") ?? "nowhere").\n")
    case "/health": ("200 OK", "ok \(variable("SHIPIT_REVISION") ?? "unknown")\n")
    default: ("404 Not Found", "There is nothing here.\n")
    }
}

guard let port = variable("PORT").flatMap({ UInt16($0) }) else {
    print("error: PORT wants the number of a port")
    exit(64)
}
do {
    try Socket(port: port).serve(page)
} catch let failure as Socket.Failure {
    print("error: could not \(failure.operation): \(failure.reason)")
    exit(1)
}
