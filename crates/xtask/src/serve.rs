//! A static file server for one folder, as a plain web host would serve it: media types, byte ranges, no caching.

use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tiny_http::{Header, Method, Request, Response, Server, StatusCode};

/// The port to try first where none is asked for.
const FIRST_PORT: u16 = 8310;

/// How many ports to try after it.
const PORTS: u16 = 20;

/// Requests answered at once.
const THREADS: usize = 8;

/// A running server; it stops with the program.
pub(crate) struct Running {
    address: SocketAddr,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Running {
    /// The address to open. Browsers take `localhost` for a secure place, which WebGPU asks for.
    pub(crate) fn url(&self) -> String {
        format!("http://localhost:{}/", self.address.port())
    }

    /// Serves until the program is ended.
    pub(crate) fn wait(self) {
        for thread in self.threads {
            // A thread that panicked has printed its message.
            let _ = thread.join();
        }
    }
}

/// Serves a folder on this machine only. Without a port, the first free one of the usual ones is taken.
pub(crate) fn serve(folder: PathBuf, port: Option<u16>) -> Result<Running> {
    let server = Arc::new(listen(port)?);
    let Some(address) = server.server_addr().to_ip() else {
        bail!("the server has no IP address")
    };
    let threads = (0..THREADS)
        .map(|_| {
            let (server, folder) = (Arc::clone(&server), folder.clone());
            std::thread::spawn(move || {
                for request in server.incoming_requests() {
                    // An error here is a browser that went away in the middle.
                    let _ = answer(request, &folder);
                }
            })
        })
        .collect();
    Ok(Running { address, threads })
}

fn listen(port: Option<u16>) -> Result<Server> {
    let listen_on = |port: u16| {
        Server::http((Ipv4Addr::LOCALHOST, port)).map_err(|error| anyhow::anyhow!(error))
    };
    if let Some(port) = port {
        return listen_on(port)
            .with_context(|| format!("could not listen on port {port}; try another --port"));
    }
    (FIRST_PORT..FIRST_PORT + PORTS)
        .find_map(|port| listen_on(port).ok())
        .with_context(|| {
            format!(
                "ports {FIRST_PORT} to {} are all taken; name a --port",
                FIRST_PORT + PORTS - 1
            )
        })
}

fn answer(request: Request, folder: &Path) -> io::Result<()> {
    if !matches!(request.method(), Method::Get | Method::Head) {
        return request.respond(plain(405, "this server only answers GET and HEAD"));
    }
    let Some(path) = file_of(request.url(), folder) else {
        return request.respond(plain(404, "no such file"));
    };
    let Ok(mut file) = File::open(&path) else {
        return request.respond(plain(404, "no such file"));
    };
    let size = file.metadata()?.len();

    let asked = request
        .headers()
        .iter()
        .find(|header| header.field.equiv("Range"));
    let range = asked.map_or(Range::Whole, |header| {
        parse_range(header.value.as_str(), size)
    });
    let (status, start, length) = match range {
        Range::Whole => (200, 0, size),
        Range::Part { start, end } => (206, start, end - start),
        Range::NotThere => {
            let response = plain(416, "the file is shorter than that");
            return request.respond(
                response.with_header(header("Content-Range", &format!("bytes */{size}"))),
            );
        }
    };
    file.seek(SeekFrom::Start(start))?;
    let mut headers = common_headers();
    headers.push(header("Content-Type", media_type(&path)));
    headers.push(header("Accept-Ranges", "bytes"));
    if status == 206 {
        headers.push(header(
            "Content-Range",
            &format!("bytes {start}-{}/{size}", start + length - 1),
        ));
    }
    let length_in_memory = usize::try_from(length).map_err(io::Error::other)?;
    // Never chunked: a page that shows progress needs the length.
    let response = Response::new(
        StatusCode(status),
        headers,
        file.take(length),
        Some(length_in_memory),
        None,
    )
    .with_chunked_threshold(usize::MAX);
    request.respond(response)
}

fn plain(status: u16, text: &str) -> Response<io::Cursor<Vec<u8>>> {
    let mut headers = common_headers();
    headers.push(header("Content-Type", "text/plain; charset=utf-8"));
    let body = io::Cursor::new(text.as_bytes().to_vec());
    Response::new(StatusCode(status), headers, body, Some(text.len()), None)
}

fn common_headers() -> Vec<Header> {
    vec![
        header("Cache-Control", "no-store"),
        header("X-Content-Type-Options", "nosniff"),
    ]
}

#[expect(
    clippy::expect_used,
    reason = "the names and values are ours and ASCII"
)]
fn header(name: &str, value: &str) -> Header {
    // Cannot fail: every name and value here is written in this file, or a number.
    Header::from_bytes(name, value).expect("a header of ASCII text")
}

/// The file that a request's path stands for; `None` where it leads out of the folder or there is no such file.
fn file_of(url: &str, folder: &Path) -> Option<PathBuf> {
    let path = percent_decode(url.split(['?', '#']).next()?)?;
    let mut file = folder.to_owned();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        if part == ".." || part == "." || part.contains(['\\', '\0', ':']) {
            return None;
        }
        file.push(part);
    }
    if path.ends_with('/') {
        file.push("index.html");
    }
    file.is_file().then_some(file)
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

fn media_type(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map" | "webmanifest") => "application/json",
        // Browsers compile while they download only with this one.
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("txt" | "md" | "log" | "jinja") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    /// The header asks for nothing that this server gives in parts; the whole file is a right answer to that.
    Whole,
    /// From `start` up to, not including, `end`.
    Part { start: u64, end: u64 },
    /// The file has no such bytes.
    NotThere,
}

/// Reads a Range header (RFC 9110, section 14): `bytes=FIRST-LAST`, `bytes=FIRST-` or `bytes=-COUNT`.
fn parse_range(value: &str, size: u64) -> Range {
    let Some((first, last)) = value
        .trim()
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
    else {
        return Range::Whole;
    };
    // Digits only: `parse` would take a sign, and several ranges in one header are left alone.
    let number = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse::<u64>().ok())
            .flatten()
    };
    match (number(first), number(last)) {
        (Some(start), Some(last)) if start <= last && start < size => Range::Part {
            start,
            end: last.saturating_add(1).min(size),
        },
        (Some(start), Some(last)) if start <= last => Range::NotThere,
        (Some(start), None) if last.is_empty() && start < size => Range::Part { start, end: size },
        (Some(_), None) if last.is_empty() => Range::NotThere,
        (None, Some(0)) if first.is_empty() => Range::NotThere,
        (None, Some(_)) if first.is_empty() && size == 0 => Range::NotThere,
        (None, Some(count)) if first.is_empty() => Range::Part {
            start: size.saturating_sub(count),
            end: size,
        },
        _ => Range::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpStream;

    #[test]
    fn ranges_as_the_standard_has_them() {
        let part = |start, end| Range::Part { start, end };
        for (value, expected) in [
            ("bytes=0-0", part(0, 1)),
            ("bytes=2-5", part(2, 6)),
            ("bytes=2-", part(2, 10)),
            ("bytes=-3", part(7, 10)),
            ("bytes=-30", part(0, 10)),
            ("bytes=5-99", part(5, 10)),
            ("bytes=0-18446744073709551615", part(0, 10)),
            ("bytes=10-", Range::NotThere),
            ("bytes=10-12", Range::NotThere),
            ("bytes=-0", Range::NotThere),
            ("bytes=5-2", Range::Whole),
            ("bytes=0-1,4-5", Range::Whole),
            ("bytes=+1-2", Range::Whole),
            ("bytes=-", Range::Whole),
            ("lines=1-2", Range::Whole),
            ("", Range::Whole),
        ] {
            assert_eq!(parse_range(value, 10), expected, "{value}");
        }
        assert_eq!(parse_range("bytes=0-", 0), Range::NotThere);
        assert_eq!(parse_range("bytes=-1", 0), Range::NotThere);
    }

    #[test]
    fn media_types_that_browsers_insist_on() {
        assert_eq!(
            media_type(Path::new("a/looplm_bg.wasm")),
            "application/wasm"
        );
        assert_eq!(
            media_type(Path::new("worker.js")),
            "text/javascript; charset=utf-8"
        );
        assert_eq!(
            media_type(Path::new("model.safetensors")),
            "application/octet-stream"
        );
    }

    #[test]
    fn no_path_leads_out_of_the_folder() -> Result<()> {
        let outer = tempfile::tempdir()?;
        let folder = outer.path().join("page");
        std::fs::create_dir_all(folder.join("a folder"))?;
        std::fs::write(outer.path().join("secret.txt"), "secret")?;
        std::fs::write(folder.join("index.html"), "page")?;
        std::fs::write(folder.join("a folder/x.txt"), "x")?;
        assert_eq!(file_of("/", &folder), Some(folder.join("index.html")));
        assert_eq!(
            file_of("/?q=1#part", &folder),
            Some(folder.join("index.html"))
        );
        assert_eq!(
            file_of("/a%20folder/x.txt", &folder),
            Some(folder.join("a folder").join("x.txt"))
        );
        for url in [
            "/../secret.txt",
            "/%2e%2e/secret.txt",
            "/..%2fsecret.txt",
            "/a folder",
            "/missing",
            "/%zz",
            "/%f",
        ] {
            assert_eq!(file_of(url, &folder), None, "{url}");
        }
        Ok(())
    }

    fn ask(server: &Running, request: &str) -> Result<String> {
        let mut stream = TcpStream::connect(server.address)?;
        write!(
            stream,
            "{request}\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    #[test]
    fn a_folder_is_served_as_a_plain_host_would() -> Result<()> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("index.html"), "0123456789")?;
        let server = serve(folder.path().to_owned(), Some(0))?;

        let whole = ask(&server, "GET / HTTP/1.1")?;
        assert!(
            whole.starts_with("HTTP/1.1 200") && whole.ends_with("\r\n\r\n0123456789"),
            "{whole}"
        );
        assert!(
            whole.contains("Content-Length: 10\r\n")
                && whole.contains("Cache-Control: no-store\r\n"),
            "{whole}"
        );

        let part = ask(&server, "GET / HTTP/1.1\r\nRange: bytes=2-4")?;
        assert!(
            part.starts_with("HTTP/1.1 206") && part.ends_with("\r\n\r\n234"),
            "{part}"
        );
        assert!(part.contains("Content-Range: bytes 2-4/10\r\n"), "{part}");

        let beyond = ask(&server, "GET / HTTP/1.1\r\nRange: bytes=10-")?;
        assert!(
            beyond.starts_with("HTTP/1.1 416") && beyond.contains("Content-Range: bytes */10\r\n"),
            "{beyond}"
        );

        let head = ask(&server, "HEAD / HTTP/1.1")?;
        assert!(
            head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"),
            "{head}"
        );
        assert!(ask(&server, "GET /missing HTTP/1.1")?.starts_with("HTTP/1.1 404"));
        assert!(ask(&server, "POST / HTTP/1.1")?.starts_with("HTTP/1.1 405"));
        Ok(())
    }
}
