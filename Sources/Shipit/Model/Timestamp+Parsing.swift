import Foundation

extension Timestamp {
    /// A date, or a date and a time, in local time unless it has a zone of its own.
    public init?(parsing text: String) {
        for format in [
            "yyyy-MM-dd'T'HH:mm:ssXXXXX", "yyyy-MM-dd'T'HH:mmXXXXX", "yyyy-MM-dd'T'HH:mm:ss", "yyyy-MM-dd'T'HH:mm",
            "yyyy-MM-dd HH:mm", "yyyy-MM-dd",
        ] {
            let formatter = DateFormatter()
            formatter.locale = Locale(identifier: "en_US_POSIX")
            formatter.dateFormat = format
            if let date = formatter.date(from: text) {
                self.init(milliseconds: Int64(date.timeIntervalSince1970 * 1000))
                return
            }
        }
        return nil
    }
}
