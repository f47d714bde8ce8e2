//! Lines of each format, and lines of none.

use proptest::prelude::*;

use super::*;

fn check(line: &str, expect: Option<&str>) {
    let found = read(line.as_bytes()).map(|found| {
        let agent = found.agent.map(|agent| String::from_utf8_lossy(&agent).into_owned());
        format!(
            "{} {} {} {} {} <{}> <{}> {}",
            found.address,
            found.unix_seconds,
            found.method,
            found.target,
            found.status,
            found.referrer,
            agent.as_deref().unwrap_or("unknown"),
            found.host.as_deref().unwrap_or("-"),
        )
    });
    assert_eq!(found.as_deref(), expect, "{line}");
}

#[test]
fn reads_combined_and_common() {
    check(
        r#"192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] "GET /a?b=c HTTP/1.0" 200 2326 "https://x.se/" "Mozilla/5.0 (X)""#,
        Some("192.0.2.1 971211336 GET /a?b=c 200 <https://x.se/> <Mozilla/5.0 (X)> -"),
    );
    check(
        r#"2001:db8::1 - anna berg [10/Oct/2000:13:55:36 -0700] "POST / HTTP/2.0" 304 0 "-" "-" 0.012 extra"#,
        Some("2001:db8::1 971211336 POST / 304 <> <> -"),
    );
    check(
        r#"host.example.com - - [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 -"#,
        Some("host.example.com 971211336 GET /apache_pb.gif 200 <> <unknown> -"),
    );
    check(
        r#"example.org:443 192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] "GET /a b HTTP/1.1" 200 1 "-" "a \"b\" \\ \xc3\xa5""#,
        Some("192.0.2.1 971211336 GET /a b 200 <> <a \"b\" \\ å> example.org:443"),
    );
    check(
        r#"192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] "\x16\x03\x01" 400 150 "-" "-""#,
        Some("192.0.2.1 971211336   400 <> <> -"),
    );
}

#[test]
fn reads_json_lines() {
    check(
        r#"{"level":"info","ts":971211336.5,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"10.0.0.1","client_ip":"192.0.2.1","proto":"HTTP/2.0","method":"GET","host":"example.org","uri":"/a?b","headers":{"User-Agent":["curl/7.82.0"],"Accept":["*/*"],"Referer":["https://x.se/"]},"tls":{"version":772}},"bytes_read":0,"user_id":"anna","status":200,"resp_headers":{"Server":["Caddy"]}}"#,
        Some("192.0.2.1 971211336 GET /a?b 200 <https://x.se/> <curl/7.82.0> example.org"),
    );
    check(
        r#"{"time_iso8601":"2000-10-10T20:55:36+00:00","remote_addr":"192.0.2.1","request":"GET /a HTTP/1.1","status":"200","http_referer":"-","http_user_agent":"M \"x\"","remote_user":"anna"}"#,
        Some("192.0.2.1 971211336 GET /a 200 <> <M \"x\"> -"),
    );
    check(
        r#"{"msec":971211336.417,"remote_addr":"192.0.2.1","request_method":"GET","uri":"/index.html","request_uri":"/?a","status":304,"list":[1,{"a":null}],"flag":true}"#,
        Some("192.0.2.1 971211336 GET /?a 304 <> <unknown> -"),
    );
    // Caddy writes all headers, so an agent that is not there was not sent.
    check(
        r#"{"ts":971211336,"request":{"remote_ip":"192.0.2.1","method":"GET","uri":"/","headers":{}},"status":200}"#,
        Some("192.0.2.1 971211336 GET / 200 <> <> -"),
    );
}

#[test]
fn reads_json_lines_as_filters_and_settings_leave_them() {
    let nginx = |hosts: &str, expect: &str| {
        check(
            &format!(
                r#"{{"msec":971211336,"remote_addr":"192.0.2.1","request":"GET / HTTP/1.1","status":200,{hosts}}}"#
            ),
            Some(&format!("192.0.2.1 971211336 GET / 200 <> <unknown> {expect}")),
        );
    };
    // The name of the server is told where no host is, and not where it is none.
    nginx(r#""http_host":"example.org","server_name":"_""#, "example.org");
    nginx(r#""server_name":"www.example.org","host":"example.org""#, "example.org");
    nginx(r#""server_name":"example.org""#, "example.org");
    for none in ["_", "", "*.example.org", "~^(?<name>.+)$"] {
        nginx(&format!(r#""server_name":"{none}""#), "-");
    }
    let caddy = |headers: &str, expect: &str| {
        check(
            &format!(
                r#"{{"ts":971211336,"request":{{"remote_ip":"192.0.2.1","method":"GET","uri":"/","headers":{headers}}},"status":200}}"#
            ),
            Some(&format!("192.0.2.1 971211336 GET / 200 {expect} -")),
        );
    };
    caddy("null", "<> <unknown>");
    caddy(r#""REDACTED""#, "<> <unknown>");
    caddy(r#"{"User-Agent":"curl/7","Referer":null}"#, "<> <curl/7>");
    caddy(
        r#"{"User-Agent":"REDACTED","Referer":["https://x.se/","b"]}"#,
        "<https://x.se/> <unknown>",
    );
    caddy(r#"{"User-Agent":["REDACTED"],"Referer":[]}"#, "<> <unknown>");
    caddy(r#"{"User-Agent":[1],"Referer":{"a":[]},"Dnt":7}"#, "<> <>");
}

#[test]
fn what_is_no_line_of_a_log_is_none() {
    for line in [
        "",
        "   ",
        "192.0.2.1 - - [10/Oct/2000:13:55:36 -0700]",
        r#"192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" x 1"#,
        r#"192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0 200 1"#,
        r#"192.0.2.1 - - [40/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 1"#,
        r#" - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 1 "-" "\""#,
        "{}",
        r#"{"status":200}"#,
        r#"{"ts":971211336,"status":200} {}"#,
        r#"{"ts":971211336,"status":"ok"}"#,
        r#"["ts",971211336]"#,
    ] {
        check(line, None);
    }
}

proptest! {
    #[test]
    fn any_bytes_get_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        std::hint::black_box(read(&bytes).is_some());
    }

    #[test]
    fn what_a_server_writes_is_read_back(
        path in "/[a-zA-Z0-9/._~%åä -]{0,40}",
        referrer in "[^\\p{C}]{0,40}",
        agent in "[^\\p{C}]{1,60}",
        second in 0u64..4_000_000_000,
    ) {
        // As Apache escapes.
        let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let (year, month, day) = headcount_core::time::Hour::of_unix(second).day().civil();
        let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
            [usize::try_from(month).unwrap() - 1];
        let (hour, minute, left) = (second / 3600 % 24, second / 60 % 60, second % 60);
        prop_assume!(agent != "-" && referrer != "-");
        let line = format!(
            "192.0.2.1 - - [{day:02}/{month}/{year}:{hour:02}:{minute:02}:{left:02} +0000] \
             \"GET {path} HTTP/1.1\" 200 1 \"{}\" \"{}\"",
            escaped(&referrer), escaped(&agent),
        );
        let found = read(line.as_bytes()).unwrap();
        prop_assert_eq!(found.unix_seconds, second);
        prop_assert_eq!(&*found.target, &path);
        prop_assert_eq!(&*found.referrer, &referrer);
        prop_assert_eq!(&*found.agent.unwrap(), agent.as_bytes());
    }
}
