"""Access logs in the Combined Log Format of Apache and nginx, made up, with planted anomalies."""

from __future__ import annotations

import numpy as np

PAGES = ["/", "/index.html", "/about", "/news", "/login", "/cart", "/search?q=", "/item/", "/img/"]
WORDS = ["lamp", "chair", "table", "book", "shoes", "phone", "garden", "paper", "bike", "radio"]
AGENTS = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36",
    "curl/8.5.0",
]
KINDS = ("traversal", "injection", "agent", "method", "status", "garbled")


def lines(count: int, seed: int = 0, share: float = 0.01) -> tuple[list[str], np.ndarray]:
    """Lines without their ends, and which of them are anomalies (bool).

    An anomaly is a usual line with one thing wrong: a path that climbs out, SQL in a query, an
    agent never seen, an unusual method, an error where pages are served, characters overwritten.
    """
    rng = np.random.default_rng(seed)
    planted = rng.random(count) < share
    hosts = [f"10.0.{a}.{b}" for a, b in rng.integers(1, 255, (40, 2))]
    second, made = 0, []
    for bad in planted:
        second += int(rng.integers(0, 3))
        made.append(_line(rng, hosts, second, KINDS[rng.integers(len(KINDS))] if bad else ""))
    return made, planted


def _line(rng: np.random.Generator, hosts: list[str], second: int, kind: str) -> str:
    host = hosts[int(len(hosts) * rng.random() ** 2)]
    page = PAGES[int(len(PAGES) * rng.random() ** 1.5)]
    if page.endswith(("=", "/")) and len(page) > 1:
        page += WORDS[rng.integers(len(WORDS))] + (".png" if page == "/img/" else "")
    method = "POST" if page in ("/login", "/cart") else "GET"
    status, size = (404, 153) if rng.random() < 0.02 else (200, int(rng.integers(300, 9000)))
    agent = AGENTS[int(len(AGENTS) * rng.random() ** 2)]
    if kind == "traversal":
        page = "/img/../../../../etc/passwd"
    elif kind == "injection":
        page = "/search?q=1'+UNION+SELECT+name,pass+FROM+users--"
    elif kind == "agent":
        agent = "sqlmap/1.8#stable (https://sqlmap.org)"
    elif kind == "method":
        method = "PROPFIND"
    elif kind == "status":
        status, size = 500, 0
    minutes, seconds = divmod(second, 60)
    when = f"10/Oct/2025:{minutes // 60 % 24:02}:{minutes % 60:02}:{seconds:02} +0000"
    line = f'{host} - - [{when}] "{method} {page} HTTP/1.1" {status} {size} "-" "{agent}"'
    if kind == "garbled":
        at = int(rng.integers(0, len(line) - 8))
        noise = "".join(chr(c) for c in rng.integers(33, 127, 8))
        line = line[:at] + noise + line[at + 8 :]
    return line
