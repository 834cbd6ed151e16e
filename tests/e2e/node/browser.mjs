// Licensed under the Apache License, Version 2.0; see LICENSE.
//
// A real browser (Debian's Chromium, driven by playwright-core) against httpd
// and a real provider:
//
//     node browser.mjs SCENARIO '{"base": URL, "issuer": URL, "shots": DIR}'
//
// Exit status 0: everything that a person would see was there.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [name, text] = process.argv.slice(2);
const {
  base, issuer, other, rules, shots, pages, stranger,
} = JSON.parse(text);

const launch = {
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update',
    '--disable-sync', ...(rules ? [`--host-resolver-rules=${rules}`] : [])],
};
const browser = await chromium.launch(launch);

async function fresh(options) {
  const context = await browser.newContext({
    viewport: { width: 800, height: 500 },
    ignoreHTTPSErrors: Boolean(rules),
    ...options,
  });
  context.setDefaultTimeout(20000);
  return context;
}

async function shot(page, file) {
  if (shots) {
    await page.setViewportSize({ width: 760, height: 420 });
    await page.screenshot({ path: `${shots}/${file}.png` });
  }
}

// The provider's own pages: a name and any password, then consent.
async function signIn(page, user = 'ann', at = issuer) {
  await page.waitForURL((url) => url.href.startsWith(at));
  await page.fill('input[name=login]', user);
  await page.fill('input[name=password]', 'x');
  await page.click('button[type=submit]');
  // consent is asked for once
  await page.waitForURL((url) => !url.href.startsWith(at)
    || url.pathname.startsWith('/interaction/'));
  if (page.url().startsWith(at)) {
    await page.click('button[type=submit]');
  }
}

async function login(context, path = '/app/x', user = 'ann') {
  const page = await context.newPage();
  await page.goto(base + path);
  await signIn(page, user);
  await page.waitForURL((url) => url.href.startsWith(base + path));
  return page;
}

// As far as the provider's question.
async function signOut(page, at = base, from = issuer) {
  await page.goto(`${at}/.auth/logout`);
  await page.click('button');
  await page.waitForURL((url) => url.href.startsWith(from));
}

const body = (page) => page.innerText('body');
// The server's answer, not one that the browser still has.
const status = (page, path, init) => page.evaluate(
  ([p, i]) => fetch(p, i).then((r) => r.status),
  [path, { cache: 'no-store', ...init }]);

const scenarios = {
  async login() {
    const page = await login(await fresh());
    assert.equal((await body(page)).trim(), 'ok');
    const env = await page.goto(`${base}/app/env`);
    assert.match(await env.text(), /REMOTE_USER=ann@example\.test/);
    const cookies = await page.context().cookies(base);
    const session = cookies.filter((c) => c.name.includes('bearer_session'));
    assert.equal(session.length, 1);
    assert.equal(session[0].httpOnly, true);
    assert.equal(session[0].sameSite, 'Lax');
    assert.equal(await page.evaluate('document.cookie'), '');
  },

  async deeplink() {
    const page = await login(await fresh(), '/app/deep/link?a=1&b=%2Fx');
    assert.equal(page.url(), `${base}/app/deep/link?a=1&b=%2Fx`);
  },

  // From a page that is open to all; and from one that is for another account.
  async account() {
    const page = await (await fresh()).newPage();
    const signInLink = async () => {
      await page.goto(`${base}/`);
      await page.evaluate(() => {
        const wanted = encodeURIComponent('/app/x?a=1&b=%2F');
        document.body.innerHTML = `<a href="/.auth/login?return=${wanted}">Sign in</a>`;
      });
      await page.click('text=Sign in');
    };
    await signInLink();
    await signIn(page);
    await page.waitForURL(`${base}/app/x?a=1&b=%2F`);
    assert.equal((await body(page)).trim(), 'ok');
    const asked = [];
    page.on('request', (r) => asked.push(r.url()));
    await signInLink();
    await page.waitForURL(`${base}/app/x?a=1&b=%2F`);
    assert.deepEqual(asked.filter((url) => url.startsWith(issuer)), []);
    assert.equal((await page.goto(`${base}/app/bob?c=1`)).status(), 403);
    assert.match(await body(page), /You do not have access to this page/);
    await page.locator('text=Use another account').press('Enter');
    await signIn(page, 'bob');
    await page.waitForURL(`${base}/app/bob?c=1`);
    assert.equal((await body(page)).trim(), 'ok');
    assert.equal(await status(page, '/app/x'), 200);
  },

  // Two issuers: the person chooses by keyboard, without script, on a phone; the second
  // visit goes straight there.
  async choice() {
    const context = await fresh({
      javaScriptEnabled: false, viewport: { width: 360, height: 640 },
    });
    const page = await context.newPage();
    const wanted = `${base}/app/deep/link?a=${'b'.repeat(5000)}&c=%2F`;
    const answer = await page.goto(wanted);
    assert.equal(answer.status(), 401);
    assert.equal(await page.innerText('main h1'), 'Choose how to sign in');
    await checkPhone(page);
    await shot(page, 'choose');
    await page.setViewportSize({ width: 360, height: 640 });
    const focused = page.locator(':focus-visible');
    await page.keyboard.press('Tab');
    assert.equal(await focused.innerText(), 'real');
    await page.keyboard.press('Tab');
    assert.equal(await focused.innerText(), 'other');
    assert.notEqual(await focused.evaluate((e) => getComputedStyle(e).outlineStyle), 'none');
    await page.keyboard.press('Enter');
    await signIn(page, 'ann', other);
    await page.waitForURL(wanted);
    assert.equal((await body(page)).trim(), 'ok');
    const cookies = await context.cookies(base);
    const kept = cookies.filter((c) => c.name.includes('bearer_issuer'));
    assert.deepEqual(kept.map((c) => [c.value, c.httpOnly, c.sameSite]),
      [['other', true, 'Lax']]);
    await context.clearCookies({ name: /bearer_session/ });
    await page.goto(`${base}/app/again`);
    await page.waitForURL(`${base}/app/again`);
    assert.equal((await body(page)).trim(), 'ok');
    // whoever signs out is asked again
    await signOut(page, base, other);
    await page.goto(`${base}/app/x`);
    assert.equal(await page.innerText('main h1'), 'Choose how to sign in');
    await page.click('text=real');
    await signIn(page, 'bob');
    await page.waitForURL(`${base}/app/x`);
  },

  async tabs() {
    const context = await fresh();
    const one = await context.newPage();
    const two = await context.newPage();
    await one.goto(`${base}/app/one`);
    await two.goto(`${base}/app/two`);
    await signIn(one);
    await one.waitForURL(`${base}/app/one`);
    // the second tab began before the first was done: its form still leads home
    await two.reload();
    if (two.url().startsWith(issuer)) {
      await signIn(two);
    }
    await two.waitForURL(`${base}/app/two`);
    assert.equal((await body(two)).trim(), 'ok');
    assert.equal(await status(one, '/app/x'), 200);
  },

  // Hosts of one domain: a and b share sessions, strong has an issuer of its own, and evil
  // is somebody else's virtual host. base is that of a, where all sign in.
  async domain() {
    const context = await fresh();
    const at = (host, path) => base.replace('//a.', `//${host}.`) + path;
    const page = await context.newPage();
    const lands = (url) => page.waitForURL(url).then(() => body(page)).then(
      (seen) => assert.equal(seen.trim(), 'ok'));
    await page.goto(at('b', '/app/x?y=1'));
    assert.equal(page.url().startsWith(issuer), true);
    await signIn(page);
    await lands(at('b', '/app/x?y=1'));
    await page.goto(at('a', '/app/x'));
    await lands(at('a', '/app/x'));
    assert.equal(await page.evaluate('document.cookie'), '');

    // evil sees no session and sets none: not by script, and not by header
    const seen = await (await page.goto(at('evil', '/cgi'))).text();
    assert.match(seen, /SERVER_NAME=evil/);
    assert.doesNotMatch(seen, /bearer_session/);
    assert.equal(await page.evaluate('document.cookie'), '');
    await page.evaluate(() => {
      for (const path of ['/', '/app', '/app/x']) {
        for (const name of ['__Secure-bearer_session', '__Host-bearer_session', 'bearer_session']) {
          document.cookie = `${name}=${'A'.repeat(43)}; Domain=site.test; Path=${path}; Secure`;
        }
      }
    });
    const planted = (await context.cookies(at('b', '/app/x'))).filter(
      (c) => c.name === '__Secure-bearer_session');
    assert.equal(planted.length, 3);  // it cannot replace the one of Path=/
    for (const host of ['a', 'b']) {
      await page.goto(at(host, '/app/x'));
      assert.equal((await body(page)).trim(), 'ok');
    }
    // its form is that of another site
    await page.goto(at('evil', '/'));
    const [posted] = await Promise.all([
      page.waitForResponse((response) => response.request().method() === 'POST'),
      page.evaluate((to) => {
        document.body.innerHTML = `<form method="post" action="${to}"></form>`;
        document.forms[0].submit();
      }, at('b', '/app/x')),
    ]);
    assert.equal(posted.status(), 403);
    await page.waitForURL(at('b', '/app/x'));

    // the strong host asks its own issuer; that session is none for the others
    await page.goto(at('strong', '/app/x'));
    assert.equal(page.url().startsWith(issuer), false);
    await signIn(page, 'root', other);
    await lands(at('strong', '/app/x'));
    await page.goto(at('b', '/app/x'));
    await signIn(page);
    await lands(at('b', '/app/x'));

    // signed out of one, signed out of all
    await signOut(page, at('b', ''));
    for (const host of ['a', 'b']) {
      await page.goto(at(host, '/'));
      assert.equal(await status(page, '/app/x'), 401, host);
    }
  },

  // Closed and opened again with the same profile; and signed out.
  async persist() {
    const profile = await mkdtemp(join(tmpdir(), 'profile-'));
    const open = async () => {
      const context = await chromium.launchPersistentContext(profile, launch);
      context.setDefaultTimeout(20000);
      return context;
    };
    const session = async (context) => (await context.cookies(base)).filter(
      (c) => c.name.includes('bearer_session'));
    try {
      let context = await open();
      await login(context);
      const ends = Date.now() / 1000 + 1800;  // idle
      for (const { expires } of await session(context)) {
        assert.ok(Math.abs(expires - ends) < 60, `${expires} ${ends}`);
      }
      await context.close();
      context = await open();
      const page = await context.newPage();
      const answer = await page.request.get(`${base}/app/x`, { maxRedirects: 0 });
      assert.equal(answer.status(), 200);
      await page.goto(`${base}/app/x`);
      await signOut(page);
      assert.deepEqual(await session(context), []);
      await context.close();
    } finally {
      await rm(profile, { recursive: true, force: true });
    }
  },

  // A window restored with 20 tabs: the session is gone, the provider knows the person.
  async restored() {
    const context = await fresh();
    const paths = Array.from({ length: 20 }, (_, i) => `/app/${i}?${'a'.repeat(i % 3
      ? 20 : 1500)}`);
    await login(context);
    const kept = (await context.cookies()).filter(
      (c) => !c.name.includes('bearer_session'));
    await context.clearCookies();
    await context.addCookies(kept);
    const tabs = await Promise.all(paths.map(() => context.newPage()));
    await Promise.all(tabs.map((tab, i) => tab.goto(base + paths[i], { timeout: 60000 })));
    await Promise.all(tabs.map((tab, i) => tab.waitForURL(base + paths[i],
      { timeout: 60000 })));
    assert.deepEqual(await Promise.all(tabs.map(async (tab) => (await body(tab)).trim())),
      tabs.map(() => 'ok'));
  },

  async logout() {
    const context = await fresh();
    const page = await login(context);
    const other = await context.newPage();
    await other.goto(`${base}/app/y`);
    // a typed address cannot be told from a link in an e-mail: the user confirms
    await page.goto(`${base}/.auth/logout`);
    assert.match(await body(page), /Sign out\?/);
    assert.equal(await status(other, '/app/y'), 200);
    await page.click('button');
    await page.waitForURL((url) => url.href.startsWith(issuer));
    await page.click('button[name=logout]');
    await page.waitForURL((url) => url.href.startsWith(`${base}/.auth/logout`));
    assert.match(await body(page), /You are signed out/);
    assert.equal(await status(other, '/app/y'), 401);
    await other.goto(`${base}/app/y`);
    await other.waitForURL((url) => url.href.startsWith(issuer));
  },

  // A page of one's own after signing out, by way of the provider.
  async landing() {
    const page = await login(await fresh());
    await signOut(page);
    await page.click('button[name=logout]');
    await page.waitForURL(`${base}/bye?a=1`);
    assert.equal(await status(page, '/app/x'), 401);
  },

  // A script of the site learns who is signed in, a script of the provider does not.
  async session() {
    const page = await login(await fresh());
    const ask = (url) => page.evaluate((u) => fetch(u, { credentials: 'include' })
      .then(async (r) => [r.status, await r.json()]).catch((e) => e.name), url);
    const [code, said] = await ask('/.auth/session');
    assert.equal(code, 200);
    assert.equal(said.user, 'ann@example.test');
    await page.goto(`${issuer}/nothing`);
    assert.equal(await ask(`${base}/.auth/session`), 'TypeError');
  },

  // A frame in the issuer's page signs out. In another page it is not shown.
  async frame() {
    const page = await (await fresh()).newPage();
    await page.goto(`${base}/app/x`);
    assert.equal((await body(page)).trim(), 'ok');
    const shown = async (url) => {
      const refused = [];
      const note = (message) => refused.push(message.text());
      page.on('console', note);
      await page.goto(url);
      await page.waitForLoadState('networkidle');
      page.off('console', note);
      assert.equal(page.frames().length, 2);
      return !refused.some((line) => line.includes('frame-ancestors'));
    };
    assert.equal(await shown(`${stranger}/strange`), false);
    assert.equal((await page.goto(`${base}/app/x`)).url(), `${base}/app/x`);
    assert.equal(await shown(`${issuer}/frame`), true);
    const asked = [];
    page.on('request', (r) => asked.push(r.url()));
    await page.goto(`${base}/app/x`);
    assert.ok(asked.some((url) => url.startsWith(`${issuer}/authorize`)), 'signed out');
  },

  // Back after signing out: what the browser kept is seen, or it has to sign in.
  async back() {
    const page = await login(await fresh());
    await signOut(page);
    await page.click('button[name=logout]');
    await page.waitForURL((url) => url.href.startsWith(`${base}/.auth/logout`));
    assert.match(await body(page), /You are signed out/);
    for (let i = 0; i < 9; i += 1) {
      await page.goBack();
      assert.notEqual((await body(page)).trim(), 'ok', page.url());
      if (page.url().startsWith(`${issuer}/interaction/`)
        && await page.locator('input[name=login]').count()) {
        return;
      }
    }
    assert.fail('not asked to sign in');
  },

  // A link on another site: the person is asked, and may say yes.
  async foreignlogout() {
    const context = await fresh();
    const page = await login(context);
    // another port is the same site, another name is not
    await page.goto(`${issuer.replace('127.0.0.1', 'localhost')}/nothing`);
    await page.evaluate((url) => {
      document.body.innerHTML = `<a href="${url}">a link</a>`;
    }, `${base}/.auth/logout`);
    await page.click('a');
    await page.waitForURL(`${base}/.auth/logout`);
    assert.match(await body(page), /Sign out\?/);
    const left = await context.cookies(base);
    assert.ok(left.some((c) => c.name.includes('bearer_session')));
    await page.click('button');
    await page.waitForURL((url) => url.href.startsWith(issuer));
  },

  async idle() {
    const page = await login(await fresh());
    await page.waitForTimeout(1500);
    assert.equal(await status(page, '/app/x'), 401);
    // the provider still knows the person: there and back, without a question
    await page.goto(`${base}/app/again`);
    await page.waitForURL(`${base}/app/again`);
    assert.equal((await body(page)).trim(), 'ok');
  },

  async refresh() {
    const page = await login(await fresh());
    const codes = await Promise.all(
      Array.from({ length: 6 }, () => status(page, '/app/x')));
    assert.deepEqual(codes, [200, 200, 200, 200, 200, 200]);
    for (let i = 0; i < 3; i += 1) {
      assert.equal(await status(page, '/app/x'), 200);
    }
  },

  async backchannel() {
    const context = await fresh();
    const page = await login(context);
    const provider = await context.newPage();
    await provider.goto(`${issuer}/session/end`);
    await provider.click('button[name=logout]');
    await provider.waitForURL((url) => url.pathname.includes('success'));
    assert.equal(await status(page, '/app/x'), 401);
  },

  async post() {
    const context = await fresh();
    const page = await login(context);
    await context.clearCookies();
    await page.setContent('<form method="post" action="/app/x">'
      + '<button>Save</button></form>');
    await page.evaluate((url) => {
      document.forms[0].action = url;
    }, `${base}/app/x`);
    await page.click('button');
    await page.waitForLoadState();
    assert.match(await body(page), /You are not signed in/);
  },

  // The address of the way back again: from the history, or sent by somebody.
  async stale() {
    const context = await fresh();
    const page = await context.newPage();
    let back;
    page.on('request', (r) => {
      if (r.url().startsWith(`${base}/.auth/callback`)) {
        back = r.url();
      }
    });
    await page.goto(`${base}/app/x`);
    await signIn(page);
    await page.waitForURL(`${base}/app/x`);
    const answer = await page.goto(back);
    assert.equal(answer.status(), 400);
    assert.match(await body(page), /This sign-in cannot be completed/);
    await page.click('text=Go to the start page');
    await page.waitForURL(`${base}/`);
    assert.equal(await status(page, '/app/x'), 200);
  },

  // A place that asks for a stronger sign-in than the session began with.
  async stepup() {
    const context = await fresh();
    const page = await login(context);
    const first = (await context.cookies(base)).map((c) => c.value);
    const deep = `${base}/app/admin/deep?a=1&b=%2Fx`;
    // a script is told what is missing, a form's page says it
    const said = await page.evaluate((url) => fetch(url, { cache: 'no-store' })
      .then((r) => [r.status, r.headers.get('www-authenticate')]), deep);
    assert.equal(said[0], 401);
    assert.match(said[1], /insufficient_user_authentication/);
    assert.match(said[1], /acr_values="gold"/);
    await page.evaluate((url) => {
      document.body.innerHTML = `<form method="post" action="${url}"><button>`;
    }, deep);
    await page.click('button');
    await page.waitForURL(deep);
    assert.match(await body(page), /A stronger sign-in is needed/);
    assert.equal((await page.goto(`${base}/app/x`)).status(), 200);
    // a person is asked by the provider, who knows him, and comes back
    await page.goto(deep);
    await signIn(page);
    await page.waitForURL(deep);
    assert.equal((await body(page)).trim(), 'ok');
    const cookies = (await context.cookies(base)).filter(
      (c) => c.name.includes('bearer_session'));
    assert.ok(cookies.length > 0);
    assert.ok(cookies.every((c) => !first.includes(c.value)), 'a new session');
    // once is enough, and good for the rest of the site
    const asked = [];
    page.on('request', (r) => asked.push(r.url()));
    assert.equal((await page.goto(`${base}/app/admin/again`)).status(), 200);
    assert.equal((await page.goto(`${base}/app/x`)).status(), 200);
    assert.deepEqual(asked.filter((url) => url.startsWith(issuer)), []);
  },

  // Who does not want to is where he was.
  async stepupdeclined() {
    const context = await fresh();
    const page = await login(context);
    await page.goto(`${base}/app/admin/x`);
    await page.waitForURL((url) => url.href.startsWith(issuer));
    await page.click('a[href$="/abort"]');
    await page.waitForURL((url) => url.href.startsWith(`${base}/.auth/callback`));
    assert.match(await body(page), /You were not signed in/);
    assert.equal((await page.goto(`${base}/app/x`)).status(), 200);
    assert.equal(await status(page, '/app/admin/x'), 401);
  },

  // A place that wants to have seen the person lately.
  async stepupage() {
    const page = await login(await fresh());
    const deep = `${base}/app/soon/deep?a=1`;
    await page.waitForTimeout(2500);
    await page.goto(deep);
    // the provider would have let him pass without a question otherwise
    await signIn(page);
    await page.waitForURL(deep);
    assert.equal((await body(page)).trim(), 'ok');
    assert.equal(await status(page, '/app/soon/x'), 200);
    assert.equal(await status(page, '/app/x'), 200);
  },

  // A browser that forgets the session each time, and a provider that remembers
  // the person: there and back without end, were it not for the count.
  async loop() {
    const context = await fresh();
    const page = await login(context);
    for (let i = 0; i < 9; i += 1) {
      const kept = (await context.cookies()).filter(
        (c) => !c.name.includes('bearer_session'));
      await context.clearCookies();
      await context.addCookies(kept);
      await page.goto(`${base}/app/x`);
      if (/does not last/.test(await body(page))) {
        assert.ok(i < 4);
        return;
      }
    }
    assert.fail('signed in again and again');
  },

  // What a script reads is JSON, a person's page has a heading and a language.
  async pages() {
    const page = await (await fresh()).newPage();
    await page.goto(`${base}/`);
    const said = await page.evaluate((url) => fetch(url, {
      headers: { Accept: 'application/json' },
    }).then(async (r) => [r.status, r.headers.get('content-type'),
      await r.json()]), `${base}/app/x`);
    assert.equal(said[0], 401);
    assert.match(said[1], /^application\/json/);
    assert.equal(said[2].error, 'no_credential');
    await page.goto(`${base}/.auth/logout`);
    assert.equal(await page.getAttribute('html', 'lang'), 'en');
    assert.equal(await page.locator('main h1').count(), 1);
    assert.equal(await page.locator('script, img, link, iframe').count(), 0);
    await page.emulateMedia({ colorScheme: 'dark' });
    const colors = await page.evaluate(() => [
      getComputedStyle(document.documentElement).colorScheme]);
    assert.match(colors[0], /dark/);
  },

  async toobig() {
    const context = await fresh();
    const page = await context.newPage();
    await page.goto(`${base}/app/x`);
    await signIn(page, 'large');
    await page.waitForURL((url) => url.href.startsWith(`${base}/.auth/callback`));
    assert.match(await body(page), /Your session is too large/);
  },

  // Every page of test_pages.py, as people meet it: without script, by keyboard, on a
  // phone, enlarged, light and dark.
  async everypage() {
    const list = JSON.parse(readFileSync(pages, 'utf8'));
    assert.ok(list.length > 30);
    await Promise.all([0, 1].map(async (half) => {
      const shown = await showPages(360);
      for (const one of list.filter((_, i) => i % 2 === half)) {
        try {
          await checkPage(one, shown);
        } catch (error) {
          throw new Error(one.name, { cause: error });
        }
      }
    }));
    if (shots) {
      await pictures(list);
    }
  },

  // bearer-status: light, dark, narrow; nothing but the page is asked for.
  async status() {
    for (const colorScheme of ['light', 'dark']) {
      const context = await browser.newContext({
        colorScheme, viewport: { width: 1000, height: 700 },
      });
      const page = await context.newPage();
      const asked = [];
      const complaints = [];
      page.on('request', (request) => asked.push(request.url()));
      page.on('console', (message) => complaints.push(message.text()));
      page.on('pageerror', (error) => complaints.push(String(error)));
      await page.goto(`${base}/bearer-status`);
      await checkStatus(page);
      await page.screenshot({
        path: `${shots}/status-${colorScheme}.png`, fullPage: true,
      });
      assert.deepEqual(asked.filter((url) => !url.endsWith('/favicon.ico')),
        [`${base}/bearer-status`]);
      assert.deepEqual(complaints.filter((text_) => !text_.includes('favicon')),
        []);
      await checkColours(page, colorScheme);
      await page.setViewportSize({ width: 360, height: 700 });
      assert.ok(await page.evaluate(
        () => document.documentElement.scrollWidth <= 360), 'no sideways scroll');
      // nor within the table of issuers, and keys do not make it a long column
      assert.deepEqual(await page.evaluate(() => {
        const table = document.querySelector('#issuers');
        return [table.scrollWidth <= table.parentElement.clientWidth,
          table.offsetHeight < 900];
      }), [true, true], 'issuers on a phone');
    }
    await checkFormats();
  },
};

// No sideways scroll at 360 px, nor there at 200 %.
async function checkPhone(page) {
  for (const width of [360, 180]) {
    await page.setViewportSize({ width, height: 640 });
    assert.ok(await page.evaluate((w) => document.documentElement.scrollWidth <= w, width),
      `sideways scroll at ${width} px`);
  }
}

// A page is served as the server sent it, at one address; all others are where links lead.
const PAGE = `${base}/the-page`;

async function showPages(width) {
  const context = await fresh({
    javaScriptEnabled: false, viewport: { width, height: 640 },
  });
  const state = { complaints: [] };
  await context.route(() => true, (route) => route.fulfill(
    route.request().url() === PAGE
      ? { status: state.one.status, headers: state.one.headers, body: state.one.body }
      : { contentType: 'text/html', body: '<title>followed</title>' }));
  const page = await context.newPage();
  page.on('console', (message) => {
    // the status of an error page is a message, too
    if (!message.text().startsWith('Failed to load resource')) {
      state.complaints.push(message.text());
    }
  });
  page.on('pageerror', (error) => state.complaints.push(String(error)));
  return { context, page, state };
}

const focused = (page) => page.evaluate(() => {
  const e = document.activeElement;
  const style = getComputedStyle(e);
  return [[...document.querySelectorAll('a, button')].indexOf(e), style.outlineStyle,
    parseFloat(style.outlineWidth) >= 2];
});

// Tab reaches each link and button, which shows it, and Enter follows it.
async function checkKeyboard({ context, page }) {
  const steps = await page.locator('a, button').count();
  for (let i = 0; i < steps; i += 1) {
    if (i) {
      await page.goto(PAGE);
    }
    for (let j = 0; j <= i; j += 1) {
      await page.keyboard.press('Tab');
      assert.deepEqual(await focused(page), [j, 'solid', true]);
    }
    const wanted = await page.evaluate(() => document.activeElement.href
      || document.activeElement.form.action);
    const tab = await page.evaluate(() => document.activeElement.target === '_blank');
    const other = tab ? context.waitForEvent('page') : page;
    await page.keyboard.press('Enter');
    await (await other).waitForURL(wanted);
    assert.equal(await (await other).title(), 'followed');
    if (tab) {
      assert.equal(page.url(), PAGE);
      await (await other).close();
    }
  }
}

// On a phone, where no page may scroll sideways: as it is, with larger letters, enlarged.
const widths = () => ['', 'font-size: 200%', 'zoom: 2', ''].map((style) => {
  document.documentElement.style = style;
  return document.documentElement.scrollWidth <= window.innerWidth;
});

async function checkPage(one, shown) {
  const { page, state } = shown;
  state.one = one;
  await page.goto(PAGE);
  assert.deepEqual(await page.evaluate(() => [document.documentElement.lang,
    [...document.querySelectorAll('h1')].map((e) => e.innerText),
    document.querySelector('header').innerText.length > 0]), ['en', [one.title], true]);
  assert.deepEqual(await page.evaluate(widths), [true, true, true, true], 'as wide as a phone');
  await checkColours(page, 'light');
  await page.emulateMedia({ colorScheme: 'dark' });
  await checkColours(page, 'dark');
  await page.emulateMedia({ colorScheme: 'light' });
  await checkKeyboard(shown);
  assert.deepEqual(state.complaints, []);
}

async function pictures(list) {
  const shown = await showPages(760);
  for (const one of list.filter((page) => page.picture)) {
    shown.state.one = one;
    await shown.page.goto(PAGE);
    await shot(shown.page, one.picture);
  }
}

// What must be readable at a glance.
async function checkStatus(page) {
  // many keys are behind one line, which a click opens
  await page.click('summary');
  const seen = await body(page);
  await page.click('summary');
  for (const words of ['Granted', 'Refused, last minute', 'Token cache',
    'Throttled addresses', 'Revoked', 'keys fetched', 'next fetch in',
    'usable for another',
    'metadata fetched', 'RSA', '2048 bits', 'last error', 'configuration',
    'last hour', 'since the start', 'cached responses used']) {
    assert.ok(seen.includes(words), `${words}\n${seen}`);
  }
}

// Text and ground differ as WCAG 2.2 wants it (1.4.3).
async function checkColours(page, colorScheme) {
  const found = await page.evaluate(() => {
    const luminance = (rgb) => rgb.match(/[0-9.]+/g).slice(0, 3).map((v) => {
      const c = v / 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    }).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = (e) => {
      const colour = getComputedStyle(e).backgroundColor;
      return !/^rgba\(.*, 0\)$/.test(colour) ? colour
        : e.parentElement ? ground(e.parentElement) : 'rgb(255, 255, 255)';
    };
    return [...document.querySelectorAll('main *')].map((e) => {
      const a = luminance(getComputedStyle(e).color);
      const b = luminance(ground(e));
      return { tag: e.tagName, class: e.className, on: b,
        ratio: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) };
    });
  });
  assert.deepEqual(found.filter((one) => one.ratio < 4.5), []);
  assert.equal(found[0].on > 0.5, colorScheme === 'light');
}

// JSON and Prometheus say the same.
async function checkFormats() {
  const get = async (format) => (await fetch(
    `${base}/bearer-status?format=${format}`)).text();
  const json = JSON.parse(await get('json'));
  const text_ = await get('prometheus');
  const figure = (line) => {
    const row = text_.split('\n').find((l) => l.startsWith(`auth_bearer_${line} `));
    assert.ok(row, `${line}\n${text_}`);
    return Number(row.split(' ').pop());
  };
  for (const one of json.issuers) {
    const by = `{issuer="${one.name}"}`;
    assert.equal(figure(`granted_total${by}`), one.granted);
    assert.equal(figure(`keys${by}`), one.keys.count);
    assert.equal(figure(`fetches_total{issuer="${one.name}",result="ok"}`),
      one.fetches.ok);
    assert.equal(figure(`introspection_cache_hits_total${by}`),
      one.introspection.kept);
  }
  for (const row of json.refusals) {
    assert.equal(figure(`refused_total{issuer="${row.issuer}",reason="${row.reason}",`
      + `category="${row.category}"}`), row.total);
  }
  assert.equal(figure('throttle_started_total'), json.throttle.started);
  assert.equal(figure('token_cache_entries'), json.tokens.entries);
  assert.equal(figure('revocations'), json.revocations.entries);
  assert.equal(figure('start_time_seconds'), json.since);
}

let failed = 1;
try {
  await scenarios[name]();
  failed = 0;
} catch (error) {
  console.error(error);
} finally {
  await browser.close();
}
process.exit(failed);
