import { escapeHtml } from '../http/index.js';
import { docsPage, docsScript, homePage, setupPage, setUpAlreadyPage } from './pages.js';

const URL = 'http://127.0.0.1:3000';

describe('pages', () => {
  it.each([
    ['<script>', '&lt;script&gt;'],
    [`"&'`, '&quot;&amp;&#39;'],
    ['&lt;', '&amp;lt;'],
    ['plain', 'plain'],
  ])('escape %j as %j', (text, escaped) => {
    expect(escapeHtml(text)).toBe(escaped);
  });

  it('put the token into the command', () => {
    expect(setupPage(URL, 'abc-DEF_123')).toContain('&quot;token&quot;: &quot;abc-DEF_123&quot;');
  });

  // In HTML and in the shell command that people are told to run.
  it.each([
    undefined,
    '',
    '<script>alert(1)</script>',
    `'; rm -rf ~; '`,
    'a"b',
    '$(id)',
    '`id`',
    'a b',
    'a\nb',
    '\u202eabc',
  ])('put no token into it that is %j', (token) => {
    const html = setupPage(URL, token);
    expect(html).toContain('THE TOKEN BERTH PRINTED');
    if (token) expect(html).not.toContain(token);
  });

  it.each([
    ['home', homePage(true)],
    ['home, set up', homePage(false)],
    ['set-up', setupPage(URL, 'abc')],
    ['set up already', setUpAlreadyPage()],
    ['docs', docsPage()],
  ])('%s is HTML with a title, and no script of its own inside', (_, html) => {
    expect(html).toMatch(/^<!doctype html>\n<html lang="en">/);
    expect(html).toMatch(/<title>[^<]+<\/title>/);
    // The content security policy admits scripts from files only.
    expect(html.match(/<script(?![^>]*\ssrc=)/g)).toBeNull();
    expect(html).not.toMatch(/\son[a-z]+\s*=|javascript:/i);
    // Nothing is fetched from another host.
    expect(html).not.toMatch(/(src|href)="(https?:)?\/\//);
  });

  it('start Swagger UI from a file', () => {
    expect(docsPage()).toContain('<script src="/docs/start.js"></script>');
    expect(docsScript).toContain("url: '/openapi.json'");
  });
});
