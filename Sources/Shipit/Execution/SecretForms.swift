/// The forms in which programs print a secret: as it is, and as they encode, escape and quote it.
///
/// Not found are forms that mix it with something else: encrypted, compressed, hashed, reversed, spelled letter by letter.
enum SecretForms {
    static func all(of secret: String) -> Set<[UInt8]> {
        // A log is read by lines, so a secret of several lines is hidden line by line too.
        var texts: Set<String> = [secret]
        for line in secret.split(whereSeparator: \.isNewline) { texts.insert(String(line)) }
        // A shell drops the blanks around a word that is not quoted.
        texts.formUnion(texts.map(trimmed))
        var forms: Set<[UInt8]> = []
        for text in texts where text.utf8.count >= Masker.shortest {
            let bytes = Array(text.utf8)
            forms.insert(bytes)
            forms.formUnion(base64(bytes))
            forms.formUnion(hexadecimal(bytes))
            forms.formUnion(urlEncoded(bytes))
            forms.formUnion(escaped(text))
        }
        return forms.filter { $0.count >= Masker.shortest }
    }

    private static func trimmed(_ text: String) -> String {
        var rest = text.drop(while: \.isWhitespace)
        while rest.last?.isWhitespace ?? false { rest.removeLast() }
        return String(rest)
    }

    // MARK: Encoded

    /// In both alphabets, and behind none, one or two other bytes: `user:SECRET` has other digits than `SECRET`.
    ///
    /// Digits that its neighbours decide too are left out at both ends, at most five bits of the secret at each.
    private static func base64(_ bytes: [UInt8]) -> Set<[UInt8]> {
        let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
        var forms: Set<[UInt8]> = []
        for alphabet in [Array("\(letters)+/".utf8), Array("\(letters)-_".utf8)] {
            for before in 0..<3 {
                let padded = [UInt8](repeating: 0, count: before) + bytes
                let digits = (before * 8 + 5) / 6..<padded.count * 8 / 6
                let text = digits.map { digit -> UInt8 in
                    let bit = digit * 6
                    let high = Int(padded[bit / 8]) << 8
                    let low = bit / 8 + 1 < padded.count ? Int(padded[bit / 8 + 1]) : 0
                    return alphabet[(high | low) >> (10 - bit % 8) & 63]
                }
                forms.insert(text)
                // base64 breaks lines at 76 digits, openssl at 64.
                if before == 0 { forms.formUnion(lines(of: text, 76) + lines(of: text, 64)) }
            }
        }
        return forms
    }

    private static func hexadecimal(_ bytes: [UInt8]) -> Set<[UInt8]> {
        var forms: Set<[UInt8]> = []
        for digits in [lower, upper] {
            let text = bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
            forms.insert(text)
            // xxd -p breaks lines at 60 digits.
            forms.formUnion(lines(of: text, 60))
            // od and hexdump part the bytes, and have 16 of them in a line; openssl has colons.
            for mark in [" ", ":", "\\x"] {
                let parted = bytes.map { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }.joined(separator: mark.utf8)
                forms.insert(Array(parted))
                if mark == " " { forms.formUnion(lines(of: Array(parted), 48)) }
            }
        }
        return forms
    }

    private static func lines(of text: [UInt8], _ width: Int) -> [[UInt8]] {
        guard text.count > width else { return [] }
        // A short rest would blank out what has nothing to do with it.
        return stride(from: 0, to: text.count - 7, by: width).map { Array(text[$0..<min(text.count, $0 + width)]) }
    }

    private static let lower = Array("0123456789abcdef".utf8)
    private static let upper = Array("0123456789ABCDEF".utf8)

    /// What encoders leave as it is, besides letters and digits: RFC 3986, browsers' two functions, Python, forms.
    private static let unreserved = ["-._~", "-._~!'()*", "-._~;/?:@&=+$,#!'()*", "-._~/", "-._*", ""]

    private static func urlEncoded(_ bytes: [UInt8]) -> Set<[UInt8]> {
        var forms: Set<[UInt8]> = []
        for plain in unreserved.map({ Set($0.utf8) }) {
            for digits in [lower, upper] {
                for space in [Array("%20".utf8), Array("+".utf8)] {
                    forms.insert(
                        bytes.flatMap { byte -> [UInt8] in
                            if isLetterOrDigit(byte) || plain.contains(byte) { return [byte] }
                            if byte == 0x20 { return space }
                            return [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
                        })
                }
            }
        }
        return forms
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
            || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    // MARK: Escaped and quoted

    private static func escaped(_ text: String) -> Set<[UInt8]> {
        var forms: Set<String> = []
        for isASCII in [false, true] {
            for html in ["", "<>&", "<>&'", "/"] {
                for digits in [lower, upper] { forms.insert(json(text, isASCII: isASCII, html: html, digits)) }
            }
        }
        // As shells print words: within single quotes, within double ones, with backslashes, and bash's $'…'.
        forms.insert(text.replacing("'", with: #"'\''"#))
        forms.insert(text.replacing("'", with: #"'"'"'"#))
        forms.insert(backslashed(text) { "\\\"$`".contains($0) })
        forms.insert(backslashed(text) { !($0.isASCII && $0.isLetter || $0.isNumber || "%+,-./:=@_".contains($0)) })
        forms.insert(backslashed(text) { "\\'".contains($0) }.replacing("\n", with: "\\n").replacing("\t", with: "\\t"))
        let markup = text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
        forms.insert(markup)
        forms.insert(markup.replacing("\"", with: "&quot;"))
        forms.insert(markup.replacing("\"", with: "&quot;").replacing("'", with: "&#39;"))
        forms.insert(markup.replacing("\"", with: "&#34;").replacing("'", with: "&#39;"))
        forms.insert(markup.replacing("\"", with: "&quot;").replacing("'", with: "&#x27;"))
        return Set(forms.map { Array($0.utf8) })
    }

    private static func backslashed(_ text: String, _ isSpecial: (Character) -> Bool) -> String {
        var result = ""
        for character in text {
            if isSpecial(character) { result.append("\\") }
            result.append(character)
        }
        return result
    }

    private static func json(_ text: String, isASCII: Bool, html: String, _ digits: [UInt8]) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\u{8}": result += "\\b"
            case "\u{C}": result += "\\f"
            case "/" where html == "/": result += "\\/"
            case _ where scalar.value < 0x20 || isASCII && scalar.value > 0x7E || html.unicodeScalars.contains(scalar):
                for unit in String(Character(scalar)).utf16 {
                    result += "\\u"
                    for shift in [12, 8, 4, 0] {
                        result.unicodeScalars.append(Unicode.Scalar(digits[Int(unit >> UInt16(shift) & 15)]))
                    }
                }
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
