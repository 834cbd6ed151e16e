# Licensed under the Apache License, Version 2.0; see LICENSE.
"""A person with a browser: cookies, redirects, and the first form of a page.

No script runs. Cookies marked Secure are sent to loopback, as browsers do.
"""
import html.parser
import http.cookiejar
import re
import urllib.error
import urllib.parse
import urllib.request

NAVIGATE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Site": "none", "User-Agent": "Mozilla/5.0"}
#: A link on a page of the same site.
FROM_HERE = {"Sec-Fetch-Site": "same-origin"}


class Form(html.parser.HTMLParser):
    """The forms of a page: action, method, fields with values, buttons."""

    def __init__(self, text):
        super().__init__()
        self.forms = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        a = dict(attributes)
        if tag == "form":
            self.forms.append({"action": a.get("action") or "", "fields": {},
                               "method": (a.get("method") or "get").upper(),
                               "buttons": []})
        elif tag in ("input", "button") and self.forms:
            form, kind = self.forms[-1], a.get("type", "")
            if tag == "button" or kind == "submit":
                form["buttons"].append((a.get("name"), a.get("value") or ""))
            elif a.get("name") and kind not in ("radio", "reset", "checkbox") \
                    or a.get("name") and kind == "checkbox" \
                    and a.get("name") in ("scope", "grant_scope"):
                form["fields"][a["name"]] = a.get("value") or ""


class Page:
    def __init__(self, answer, trail):
        self.status, self.url = answer.status, answer.geturl()
        self.headers, self.trail = answer.headers, trail
        self.text = answer.read().decode("utf-8", "replace")

    @property
    def forms(self):
        return Form(self.text).forms

    @property
    def location(self):
        return urllib.parse.urljoin(self.url, self.headers["Location"])

    def __repr__(self):
        return "<%d %s%s>" % (self.status, " > ".join(
            url.partition("?")[0] for url in self.trail or [self.url]),
            " " + " ".join(re.sub(r"<[^>]*>", "", self.text).split())[:300]
            if self.status > 399 else "")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class Person:
    """name and password are what she types where she is asked."""

    def __init__(self, name, password):
        self.name, self.password = name, password
        policy = http.cookiejar.DefaultCookiePolicy(
            secure_protocols=("http", "https"))
        self.jar = http.cookiejar.CookieJar(policy)
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), _NoRedirect,
            urllib.request.HTTPCookieProcessor(self.jar))

    def once(self, url, form=None, method=None, headers=()):
        """One request; redirects are not followed."""
        data = urllib.parse.urlencode(form).encode() if form is not None else None
        request = urllib.request.Request(
            url, data, {**NAVIGATE, **dict(headers)}, method=method)
        try:
            answer = self.opener.open(request, timeout=30)
        except urllib.error.HTTPError as e:
            answer = e
        with answer:
            return Page(answer, [url])

    def go(self, url, form=None, headers=(), stop=None):
        """Follows redirects to a page, or to a URL that begins with stop."""
        page, trail = self.once(url, form, headers=headers), [url]
        while page.status in (301, 302, 303, 307):
            url = page.location
            trail.append(url)
            assert len(trail) < 25, "a loop: %s" % trail[-4:]
            if stop and url.startswith(stop):
                break
            page = self.once(url)
        page.trail = trail
        return page

    def submit(self, page, stop=None, **typed):
        """Sends the first form of the page with what she types into it."""
        form = page.forms[0]
        fields = dict(form["fields"])
        named = [pair for pair in form["buttons"] if pair[0]]
        fields.update(named[:1])
        fields.update(typed)
        url = urllib.parse.urljoin(page.url, form["action"])
        if form["method"] == "GET":
            return self.go(url.partition("?")[0] + "?"
                           + urllib.parse.urlencode(fields), stop=stop)
        return self.go(url, fields, stop=stop)

    def is_asked(self, page):
        """Does the page ask who she is?"""
        fields = page.forms[0]["fields"] if page.forms else {}
        return bool({"password"} & set(fields))

    def walk(self, page, home, stop=None):
        """Goes through the pages of a provider until one of `home` comes (a URL
        that the address begins with), or stop."""
        for _ in range(6):
            if page.trail[-1].startswith(home) or not page.forms:
                return page
            typed = {}
            for field in page.forms[0]["fields"]:
                if field in ("username", "login", "identifier"):
                    typed[field] = self.name
                elif field == "password":
                    typed[field] = self.password
            page = self.submit(page, stop, **typed)
        raise AssertionError("a form without end: %r" % page)
