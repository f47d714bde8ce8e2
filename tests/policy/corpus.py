#!/usr/bin/env python3
"""Hard inputs for the text policy, to feed to two readings of it and compare row by row.

What this is: a seeded generator. The same seed, count and kind give the same lines. Inputs are
built from fragments of the policy's own grammar (its words, shapes, limits and near misses of
them), because random bytes hardly ever come near a rule.

What this is not: a list of expected outputs. It knows nothing about what is right.

What may surprise: a line may hold a TAB, a CR or control characters, but never a line feed. All
characters are in Unicode 14, the newest that Python 3.11 knows.

    corpus.py --seed N --count M KIND

KIND is page, click, utm, source or client.
"""

import argparse
import base64
import random
import string
import sys
import unicodedata

import reference

SITES = ["example.net", "www.example.com", "example.com", "EXAMPLE.com", "example.org"]
PLAIN_WORDS = """
a is om sa gick det tre sma grisar nyheter sport loppet artikel vinter produkter galaxy ultra pris
kontakt årsmöte huvudvärk åäö naïve straße привет 日本語 हिन्दी café Linköping h264 b2b v2 3d mp3
eva lind karin docs api hjälp personal arkiv steg karta IJsland ΟΔΟΣ İstanbul
""".split()
EXTENSIONS = [".html", ".pdf", ".x", ".12345", ".a1234", ".abcdef", ".7z", ".tar.gz", ".HTML", ".",
              ".x1", ".é", "._x", ".h t", "..html"]
JOINTS = ["-", "_", ".", " ", "%20", "--", "- ", " -", "+", ":", ",", "", "---", "(", ")", ") ",
          " (", "~", "&", "!", "·", "–"]
MARKS = ["-", "_", ".", ":", "#", "%23", "", "--", " "]
IGNORED_CHARACTERS = ["\u200b", "\u200c", "\u200d", "\u00ad", "\u202e", "\u2066", "\ufeff",
                      "\u2060", "\u061c", "\u180e", "\U000e0041"]
ODD_CHARACTERS = ["e\u200b\u0301", "a\u00ad\u0308", "\u0301", "\u0308",
                  "\u030a", "\u20e3", "\u00a0", "\u3000", "\u2028", "\u0085",
                  "\u1680", "½", "²", "①", "ⅷ", "ﬁ", "℀", "…", "‥", "．", "／", "＼", "％", "＠",
                  "；", "？", "＃", "：", "\x7f", "\x00", "\x1b", "\t", "\r", "K", "ſ", "ß", "İ",
                  "ı", "𝟙", "٣", "९", "߁", "𑁦", "👩", "\ufffd", "\ue000", "一"]
SYNTAX = ["%2f", "%5c", "%3b", "%23", "%3f", "%00", "%09", "%0a", "%0d", "%20", "%25", "%2e",
          "%40", "%3d", "%7e", "%7F", "%C2%85", "%c2%ad", "%E2%80%8B", "%2B", "%26", ";", ";a=b",
          "%3Ba", "\"", "<", ">", "^", "`", "{", "|", "}", "%", "%%", "%4", "%zz", "%u0041", "'",
          "%22", "%3c", "%5E", "%60", "%7b", "%7c", "%7D", "%%34%31", "%25%32%35"]
BROKEN_UTF8 = ["%FF", "%C0%AF", "%ED%A0%80", "%E2%82", "%80", "%F5%80%80%80", "%c3%28",
               "%25FF", "%25C3", "%C3", "%F0%9F%98", "%E0%80%80", "%F4%90%80%80"]
DOTS = [".", "..", "%2e", "%2E", ".%2e", "%2e.", "%2E%2e", "%2e%2E", "...", ".%2e.", "%252e",
        "%252e%252e", ". .", "..;a", ".;", "‥", "．．", ".. ", " ..", "..%20", ".\u200b."]
SCHEMES = ["http", "https", "HTTP", "hTTps", "ftp", "mailto", "tel", "sms", "callto", "whatsapp",
           "skype", "sip", "sips", "data", "javascript", "urn", "did", "android-app", "ios-app",
           "Mailto", "TEL", "file", "ws", "blob", "about"]
KEY_PREFIXES = """
ghp_ gho_ ghs_ github_pat_ glpat- xoxa- xoxb- xoxp- sk_live_ sk_test_ rk_live_ rk_test_ pk_live_
pk_test_ cs_live_ cs_test_ whsec_ AKIA ASIA AIza ya29. SG. ghx_ akia sg. GHP_ sk-live-
""".split()
HOSTS = """
example.com www.example.com EXAMPLE.com example.com. example.net shop.example.net example.org
old.reddit.com duckduckgo.com anna.blogspot.com user.github.io a.b.co.uk co.uk com www.ck x.y.ck
nas.lan printer.local localhost intranet x.localhost db.internal fritz.home a.corp b.intranet c.test
router.home.arpa home.arpa 10.0.0.3 198.51.100.7 198.51.100.7. 3232235777 0x7f000001 0x7f.1 1.2.3
256.256.256.256 [2001:db8::1] [::1] [::ffff:1.2.3.4] 0177.0.0.1 1.2.3.4.example.com
räksmörgås.se Räksmörgås.SE xn--rksmrgs-5wao1o.se bücher.example пример.рф 日本.jp ｅｘａｍｐｌｅ.com
a1b2c3d4e5f6.com a1b2c3d4e5f.com 0f1e2d3c4b5a.example.net x1y2z3aaaaaaaaaa.com deadbeefcafe.com
123456789012.com www-0f1e2d3c4b5a.com a_b.example.com foo.unknowntld a..com .com -a.com b.lan.
city.kawasaki.jp x.kawasaki.jp a.nom.br local .local notlocal xlocal.com ab12cd34ef56gh78.net
""".split()
MODES = {"page": "page_text", "click": "click_text", "utm": "utm_text", "source": "source_text",
         "client": "client_text"}


class Corpus:
    """Fragments of the policy's grammar, drawn from one seeded source of chance."""

    def __init__(self, seed):
        self.chance = random.Random(seed)

    def pick(self, choices):
        return self.chance.choice(choices)

    def one_in(self, n):
        return self.chance.randrange(n) == 0

    def characters(self, alphabet, length):
        return "".join(self.pick(alphabet) for _ in range(length))

    def digits(self, length):
        return self.characters(string.digits, length)

    # --- ways to write the same text ---

    def odd_case(self, text):
        return self.pick([str.lower, str.upper, str.title, str.swapcase,
                          lambda t: "".join(self.pick([c.lower(), c.upper()]) for c in t)])(text)

    def percent_encoded(self, text, rounds=None):
        """Some or all characters percent-encoded, one to four times over."""
        everything = self.one_in(2)
        coded = "".join(
            "".join(f"%{byte:02{self.pick('xX')}}" for byte in c.encode())
            if (everything or self.one_in(3)) and c != "%" else c
            for c in text)
        for _ in range((rounds or self.pick([1, 1, 1, 2, 2, 3, 4])) - 1):
            coded = coded.replace("%", "%25")
        return coded

    def fullwidth(self, text):
        return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)

    def foreign_digits(self, text):
        zero = self.pick([0x660, 0x6F0, 0x966, 0xFF10, 0x1D7CE, 0x1D7F6, 0x7C0])
        return "".join(chr(zero + int(c)) if c in string.digits else c for c in text)

    def with_inserted(self, text, choices):
        at = self.chance.randint(0, len(text))
        return text[:at] + self.pick(choices) + text[at:]

    def disguised(self, text):
        if not self.one_in(4):
            return text
        return self.pick([
            self.percent_encoded,
            self.percent_encoded,
            self.fullwidth,
            self.foreign_digits,
            self.odd_case,
            lambda t: self.with_inserted(t, IGNORED_CHARACTERS),
            lambda t: self.with_inserted(t, ODD_CHARACTERS),
            lambda t: self.with_inserted(t, SYNTAX),
            lambda t: self.with_inserted(t, BROKEN_UTF8),
            lambda t: unicodedata.normalize("NFD", t),
            lambda t: self.percent_encoded(self.with_inserted(t, IGNORED_CHARACTERS)),
            lambda t: " " * self.chance.randint(0, 2) + t + "%20" * self.chance.randint(0, 2),
        ])(text)

    # --- words ---

    def listed_word(self):
        words = self.pick([reference.STRONG, reference.WEAK, reference.STATIC])
        word = self.pick(sorted(words))
        if self.one_in(4):
            word = self.pick([word + "s", word + "en", word.rstrip("s"), word[:-1], "x" + word])
        if self.one_in(4):
            word = self.odd_case(word)
        return word

    def labelled_number(self):
        word = self.pick([self.listed_word(), self.pick(["id", "uid", "ref", "nr", "ids"])])
        return (word + self.pick(MARKS) + self.pick(["", "", "id", "nr", "no", "number"])
                + self.pick(MARKS) + self.digits(self.pick([0, 1, 2, 5, 8]))
                + self.pick(["", "", "", "x", "-", ".html"]))

    def slug(self):
        count = self.chance.randint(1, 5)
        return self.pick(["-", "-", "_", " ", "."]).join(
            self.pick(PLAIN_WORDS) for _ in range(count))

    # --- shapes of C ---

    def uuid(self):
        sizes = self.pick([[8, 4, 4, 4, 12]] * 4 + [[8, 4, 4, 4, 11], [9, 4, 4, 4, 12],
                                                    [8, 4, 4, 4, 13], [8, 4, 3, 4, 12]])
        groups = [self.characters(self.pick(["0123456789abcdef", "0123456789ABCDEF"]), size)
                  for size in sizes]
        return self.pick(["-", "-", "-", "", "_"]).join(groups)

    def hex_run(self):
        alphabet = self.pick(["0123456789abcdef", "abcdef", "0123456789ABCDEF", "01234567890a"])
        return self.characters(alphabet, self.pick([11, 12, 13, 32, 40]))

    def mixed_run(self):
        """A run of a wanted length and number of changes between letter and digit."""
        length = self.pick([9, 10, 11, 15, 16, 17, 19, 20, 21])
        cuts = sorted(self.chance.sample(range(1, length), self.chance.randint(0, 6)))
        letters = self.pick(["ghijkxyz", string.ascii_letters, string.ascii_uppercase, "abcdef"])
        parts = []
        digit_turn = self.one_in(2)
        for start, end in zip([0] + cuts, cuts + [length]):
            alphabet = string.digits if digit_turn else letters
            parts.append(self.characters(alphabet, end - start))
            digit_turn = not digit_turn
        return "".join(parts)

    def token(self):
        """Mixed runs with both cases, joined by - and _, around 16 characters."""
        parts = [self.characters(self.pick([string.ascii_letters + string.digits,
                                            string.ascii_letters, string.digits]),
                                 self.chance.randint(1, 12)) for _ in range(3)]
        return self.pick(["-", "_", ""]).join(parts)[:self.pick([15, 16, 17, 24, 36])]

    def long_letters(self):
        return self.characters(self.pick([string.ascii_lowercase, string.ascii_letters, "åab"]),
                               self.pick([39, 40, 41]))

    def date_parts(self):
        year = self.pick([1899, 1900, 1914, 1977, 1999, 2000, 2024, 2025, 2099, 2100])
        month = self.pick([0, 1, 2, 2, 3, 9, 11, 12, 13])
        day = self.pick([0, 1, 9, 12, 13, 28, 29, 30, 31, 32])
        return year, month, day

    def date(self):
        year, month, day = self.date_parts()
        form = self.pick(["02", "02", "02", ""])
        parts = [str(year), format(month, form), format(day, form)]
        order = self.pick([(0, 1, 2), (2, 1, 0), (1, 2, 0), (0, 2, 1)])
        separator = self.pick(["-", ".", "_", " ", "%20", ",", "--"])
        text = separator.join(parts[i] for i in order)
        if self.one_in(8):
            text = text.replace(separator, self.pick(["-", ".", "_"]), 1)
        return text

    def compact_date(self):
        year, month, day = self.date_parts()
        return self.pick([f"{year}{month:02}{day:02}"] * 3 + [
            f"{day:02}{month:02}{year}", f"{year % 100:02}{month:02}{day:02}",
            f"{year}{month:02}{day:02}{self.digits(4)}",
            f"{year}{month:02}{day:02}-{self.digits(4)}",
            f"{year % 100:02}{month:02}{day:02}-{self.digits(4)}"])

    def years(self):
        joint = self.pick(["-", " ", ".", "--", "_", "–"])
        return joint.join(str(self.pick([999, 1000, 1066, 1914, 1918, 2020, 2100, 2101]))
                          for _ in range(self.chance.randint(2, 4)))

    def phone(self):
        d = self.digits
        return self.pick([
            lambda: "+46" + d(self.pick([3, 4, 5, 9])),
            lambda: f"+46 (0){d(2)}-{d(3)} {d(2)} {d(2)}",
            lambda: f"(0){d(2)}-{d(self.pick([2, 3, 4]))} {d(2)}",
            lambda: f"(0{d(2)}) {d(self.pick([3, 4, 5]))}",
            lambda: f"031-{d(3)} {d(2)} {d(2)}",
            lambda: f"0{d(1)}.{d(2)}.{d(2)}",
            lambda: f"0{d(2)}--{d(4)}",
            lambda: f"0{d(2)}---{d(4)}",
            lambda: f"0{d(self.pick([5, 6, 7, 8]))}",
            lambda: f"(+{d(2)}) {d(3)} {d(2)}",
            lambda: f"+({d(2)}) {d(3)} {d(2)}",
            lambda: f"{d(2)}{self.pick(['', '-', ' -', '(', '+', 'a', '   '])}0{d(2)}-{d(4)}",
            lambda: f"{d(2)}{self.pick(['', '-', ' ', 'a'])}+{d(7)}",
            lambda: " ".join(d(2) for _ in range(self.pick([3, 4, 4, 5]))),
            lambda: "12 34 56 78" + self.pick(["", "9", " 9", ".9", "-9", "a"]),
            lambda: self.pick(["12 34  56 78", "12-34-56-78", "12 34-56 78", "1.12 34 56 78"]),
        ])()

    def number_groups(self):
        count = self.chance.randint(2, 5)
        text = ""
        for _ in range(count):
            text += self.digits(self.pick([1, 2, 3, 4, 4, 5]))
            text += self.pick(["-", " ", ".", "- ", ") ", "(", "_", "--", ":", " - "])
        return text[:-1] if self.one_in(2) else text + self.digits(2)

    def card(self):
        groups = [self.digits(4) for _ in range(4)]
        return self.pick(["-", " ", "", ".", "_", "%20"]).join(groups)

    def ipv4(self):
        parts = [str(self.pick([0, 1, 7, 10, 127, 198, 254, 255, 256])) for _ in range(4)]
        if self.one_in(6):
            parts[self.chance.randrange(4)] = self.pick(["01", "007", "0255", "1000", ""])
        return (self.pick(["", "", "", "v", ".", "x-", "é", "_", "9.", ":"]) + ".".join(parts)
                + self.pick(["", "", "", ".", ".5", "a", ".a", "-", "_", "é", ":80", ".html"]))

    def ipv6(self):
        text = self.pick(["2001:db8::1", "::1", "::", "fe80::1%eth0", "1:2:3:4:5:6:7:8",
                          "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:8:9", "cafe::bar", "face::b00c",
                          "std::vec", "::ffff:198.51.100.7", "1::2::3", "12345::1", "a:b:c",
                          "64:ff9b::1.2.3.4", "2001:DB8::A", "1:2:3:4:5:6:1.2.3.4"])
        before, after = self.pick(["", "", "[", "x-", "a_"]), ["", "", "]", "-x", ".", "g"]
        return before + text + self.pick(after)

    def mac(self):
        joint = self.pick(["-", ":", "-", "."])
        pairs = [self.characters("0123456789abcdefABCDEF", 2)
                 for _ in range(self.pick([5, 6, 6, 6, 7]))]
        return self.pick(["", "", "x", "a-"]) + joint.join(pairs) + self.pick(["", "", "g", "-b"])

    def coordinates(self):
        def number():
            sign = self.pick(["", "", "", "-", "+"])
            return sign + self.digits(self.pick([1, 2, 3, 4])) + "." \
                + self.digits(self.pick([2, 3, 4, 5]))
        return number() + self.pick([",", ",", ",", ", ", ";", "%2C", ",,"]) + number()

    def national_id(self):
        letters = self.characters("ABCEGHJKLMNOPRSTWXYZDFIQUV", 2)
        last = self.pick("ABCDEabcd1")
        text = self.pick([
            self.digits(6) + self.pick("-+aAbB") + self.digits(3) + self.pick("tT7-"),
            letters + self.digits(self.pick([5, 6, 6, 6, 7])) + last,
            letters.lower() + self.digits(6) + last.lower(),
        ])
        before, after = self.pick(["", "", "", "x", "_", "å", "-"]), ["", "", "x", "_", "å"]
        return before + text + self.pick(after)

    def cve(self):
        return (self.pick(["", "", "x", "om-"]) + self.pick(["cve-", "CVE-", "cve_", "Cve-"])
                + self.digits(self.pick([3, 4, 4, 4, 5])) + "-"
                + self.digits(self.pick([3, 4, 5, 7, 10])) + self.pick(["", "", "-031-1234567"]))

    def base64_text(self):
        printable = self.one_in(2)
        size = self.pick([7, 8, 9, 10, 11, 12, 18])
        raw = bytes(self.chance.randrange(0x20, 0x7F) if printable else self.chance.randrange(256)
                    for _ in range(size))
        if printable and self.one_in(3):
            raw = b"eva@example.org"[:size] + raw[:2] + self.pick([b"~~~", b"???", b"\x7f", b""])
        coded = self.pick([base64.b64encode, base64.urlsafe_b64encode])(raw).decode()
        if not self.one_in(4):
            coded = coded.rstrip("=")
        return coded + self.pick(["", "", "", "A", ".html", "-", "+"])

    def jwt(self):
        return (self.pick(["", "", "x", "a.b"]) + self.pick(["eyJ", "eyJ", "eyj", "EYJ", "yJ"])
                + self.characters(string.ascii_letters + string.digits + "_-",
                                  self.pick([7, 8, 9, 20])) + self.pick(["", ".x.y"]))

    def api_key(self):
        return (self.pick(["", "", "", "x"]) + self.pick(KEY_PREFIXES)
                + self.characters(string.ascii_letters + "-. ", self.pick([9, 10, 11])))

    def marked(self):
        name = self.pick(PLAIN_WORDS)
        return self.pick([
            f"{name}@example.org", f"{name}(at)x", f"{name}[at]x", f"{name}{{at}}x", f"{name}(AT)x",
            f"~{name}", f"a~{name}", f"%7e{name}", f"%7E{name}", f"{name}=b", f"{name}%3Db",
            f"@{name}", f"{name} at x", f"{name}%2540x", f"{name}%252540x", f"{name}%25252540x",
            f"{self.pick(SCHEMES)}:{name}", f"{self.pick(SCHEMES)}%3a{name}",
            f"x{self.pick(SCHEMES)}:"])

    def shape(self):
        return self.pick([
            self.uuid, self.hex_run, self.mixed_run, self.mixed_run, self.token, self.long_letters,
            lambda: self.digits(self.pick([6, 7, 8, 9, 10])), self.date, self.compact_date,
            self.years, self.phone, self.phone, self.number_groups, self.card, self.ipv4, self.ipv6,
            self.mac, self.coordinates, self.national_id, self.cve, self.base64_text, self.jwt,
            self.api_key, self.marked, self.labelled_number, self.listed_word])()

    # --- segments and pages ---

    def segment(self):
        text = self.pick([
            self.shape,
            self.shape,
            self.shape,
            self.slug,
            self.listed_word,
            self.listed_word,
            lambda: self.slug() + self.pick(JOINTS) + self.shape(),
            lambda: self.slug() + self.pick(JOINTS) + self.shape(),
            lambda: self.shape() + self.pick(JOINTS) + self.slug(),
            lambda: self.slug() + "-" + self.shape() + "-" + self.slug(),
            lambda: self.shape() + self.pick(JOINTS) + self.shape(),
            lambda: self.pick(DOTS),
            lambda: self.pick(BROKEN_UTF8 + SYNTAX) + self.slug(),
            lambda: "",
            lambda: self.pick(["77", "a1", "x", "7a", "Q7", "archive", "new.html", "88.pdf"]),
            lambda: "ab " * 39 + "a" * self.pick([2, 3, 4]),
        ])()
        if self.one_in(5):
            text += self.pick(EXTENSIONS)
        return self.disguised(text)

    def path(self):
        count = self.pick([1, 1, 1, 2, 2, 2, 3, 3, 4, 5])
        if self.one_in(25):
            count = self.pick([0, 10, 11, 12])
        slashes = ["/"] * 50 + ["\\", "//", "/./", "/../", "/;x/", "/%20/"]
        text = "".join(self.pick(slashes) + self.segment() for _ in range(count))
        return text + self.pick([""] * 12 + ["/", "/..", "/.", "\\"])

    def query(self):
        return self.pick(["", "", "", "", "", "?a=b", "#x", "?", "#", "?a#b/c", ";s=1?/../x"])

    def prefix(self):
        if not self.one_in(6):
            return self.pick(["", "https://example.net"])
        return self.pick([
            "http://example.net:8080", "HTTPS://user:pw@example.net", "//example.net",
            "hTtP:\\\\h", "https:/", "https:", "ftp://example.net", "\\\\example.net", "https:///",
            "x", "http:/\\h", " https://example.net", "\x01https://example.net", "httpſ://h",
            "ht\ttps://example.net", "https://exa?mple", "https://exa#mple", "https://a@b@c",
            "\u00a0/", "https://[::1]:80"])

    def sized_page(self):
        """Just at, or one over, the byte limit."""
        head = self.pick(["/", "/åäö/", "https://example.net/", " /"])
        size = self.pick([2047, 2048, 2049]) - len(head.encode())
        filler = self.pick(["ab-/", "x/", "y" * 50 + "/"])
        return head + (filler * size)[:size] + self.pick(["", "", "\t", " ", "\x00"])

    def page_text(self):
        if self.one_in(100):
            return self.sized_page()
        text = self.prefix() + (self.path() or self.pick(["", "/", "?", "#"])) + self.query()
        if self.one_in(30):
            text = self.with_inserted(text, ["\t", "\r", " ", "\x00", "\x1f", "\x7f", "\u200b"])
        return text

    # --- the other kinds ---

    def url(self):
        scheme = self.pick(["https://", "http://"])
        if self.one_in(6):
            scheme = self.pick(["HTTPS://", "//", "http:\\\\", "https:///", "https:/", "https:",
                                "ftp://", "/\\", "android-app://", "IOS-APP:x"])
        userinfo = self.pick([""] * 6 + ["eva@", "eva:pw@", "a@b@", "%40@"])
        host = self.pick(HOSTS)
        if self.one_in(10):
            host = self.disguised(host)
        if self.one_in(8):
            host = self.pick([self.hex_run, self.mixed_run])().lower() \
                + self.pick([".com", ".example.com", "-x.net", ".co.uk"])
        port = self.pick([""] * 6 + [":443", ":8080", ":", ":x"])
        return scheme + userinfo + host + port + self.path() + self.query()

    def source_text(self):
        return self.pick([self.url] * 12 + [
            lambda: "", lambda: " ", lambda: "about:blank", lambda: self.pick(HOSTS),
            lambda: self.pick(SCHEMES) + ":" + self.slug(), lambda: " " + self.url(),
            lambda: "android-app://com.google.android.gm/"])()

    def click_text(self):
        text = self.pick([self.url] * 5 + [self.path] * 4 + [
            lambda: self.pick(SCHEMES) + ":" + self.shape(),
            lambda: self.pick(["#", "#" + self.slug(), "?a=b", "", " ", " /x", "x/y", "./x",
                               "mailto", "tel", "../x", "\\x", "\\\\example.org\\x",
                               "//", "/", "\t/x"]),
            lambda: "https://" + self.pick(SITES) + self.path() + self.query(),
        ])()
        return self.with_inserted(text, ["\t", "\r"]) if self.one_in(15) else text

    def utm_text(self):
        key = self.pick(["utm_source", "utm_medium", "utm_campaign"])
        if self.one_in(20):
            key = self.pick(["utm_content", "utm_term", "UTM_SOURCE", "utm%5fsource", "utm_id", "",
                             " utm_source"])
        value = self.pick([
            self.shape, self.slug, self.slug, self.segment, self.listed_word,
            lambda: self.slug() + self.pick(["+", "%2B", "%252B", "%20", " "]) + self.slug(),
            lambda: self.characters(string.ascii_lowercase + " _.-", self.pick([1, 39, 40, 41])),
            lambda: self.pick(["", " ", "+", "%20", "%2520", "%09", "a%0A", "%0aa", "1", "2025",
                               "-a", "a\t", "\u3000a", "A.B_c-d e", "a=b", "%C2%A0a", "%FF", "a%"]),
            lambda: self.slug() + "-" + self.shape(),
        ])()
        return key + self.pick(["="] * 40 + ["", "=="]) + self.disguised(value)

    def address(self):
        text = self.pick([
            "198.51.100.200", "203.0.113.9", "127.0.0.1", "10.1.2.3", "2001:db8:aaaa:bbbb::1",
            "::1", "::ffff:198.51.100.7", "::ffff:c633:6407", "2002:c633:64c8::1",
            "64:ff9b::c633:6407",
            "64:ff9b::198.51.100.7", "64:ff9b:1::1", "fe80::1%eth0", "2001:db8::", "0:0:5::1", "::",
            "256.1.1.1", "1.2.3", "01.2.3.4", "unknown", "_hidden", "", "3232235777", "1.2.3.4.5",
            "2001:db8:0:1::9", "::ffff:10.1.2.3", "2001:DB8::A", "::198.51.100.7", "fd00::7"])
        is_v6 = ":" in text
        return self.pick([
            text, text, text, f"[{text}]" if is_v6 else f"{text}:4711",
            f"[{text}]:4711" if is_v6 else f'"{text}"',
            f'"[{text}]:80"' if is_v6 else f'"{text}:80"',
            f" {text} "])

    def forwarded_element(self):
        name = self.pick(["for", "for", "For", "FOR", "by", "forx"])
        pairs = [f"{name}={self.address().strip()}"]
        if self.one_in(3):
            pairs.append(self.pick(["proto=https", "by=203.0.113.43", 'host="a;b,c"', "for_=1"]))
            self.chance.shuffle(pairs)
        return self.pick([";", "; "]).join(pairs)

    def client_text(self):
        peer = self.pick(["127.0.0.1", "10.1.2.3", "203.0.113.9", "::1", "::ffff:127.0.0.1"]) \
            if not self.one_in(6) else self.address().strip()
        trusted = ",".join(self.pick(["127.0.0.0/8", "10.0.0.0/8", "::1/128", "fd00::/8",
                                      "203.0.113.9/32", "2001:db8::/32"])
                           for _ in range(self.chance.randint(1, 3)))
        entries = range(self.pick([0, 1, 1, 2, 3, 4]))
        if self.one_in(2):
            header = "xff=" + self.pick([", ", ","]).join(self.address() for _ in entries)
        else:
            header = "forwarded=" + self.pick([", ", ","]).join(
                self.forwarded_element() for _ in entries)
        return " | ".join([f"peer={peer}", f"trusted={trusted}", header])

    def line(self, kind):
        while True:
            text = getattr(self, MODES[kind])()
            if "\n" not in text:
                return text


def main():
    parser = argparse.ArgumentParser(description="Hard inputs for the text policy.")
    parser.add_argument("--seed", metavar="N", type=int, default=1)
    parser.add_argument("--count", metavar="M", type=int, default=1000)
    parser.add_argument("kind", metavar="KIND", choices=sorted(MODES))
    args = parser.parse_args()
    corpus = Corpus(f"{args.kind} {args.seed}")
    for _ in range(args.count):
        sys.stdout.buffer.write(corpus.line(args.kind).encode("utf-8") + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
